//! Writes the fixtures that a target begins with to a folder: `cargo run --bin write_seeds -- TARGET FOLDER`.

use std::path::Path;

mod seeds;

fn main() {
    let mut args = std::env::args().skip(1);
    let (target, folder) = (args.next().expect("a target"), args.next().expect("a folder"));
    std::fs::create_dir_all(&folder).expect("the folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    for (i, seed) in seeds::of(&fixtures, &target).iter().enumerate() {
        std::fs::write(Path::new(&folder).join(i.to_string()), seed).expect("a file");
    }
}
