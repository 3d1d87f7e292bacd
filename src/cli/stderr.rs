//! Words to stderr that nobody has to read.

/// As the standard macro, which panics where stderr was closed: a command goes on with its work there.
macro_rules! eprintln {
    ($($word:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($word)*);
    }};
}
