//! Draws and splits of rows.

use std::collections::BTreeSet;

use super::*;

#[test]
fn a_draw_depends_on_its_own_cell_alone() {
    let rows = |extra: usize| {
        let mut text = "t,l,c\n".to_owned();
        for i in 0..40 {
            text += &format!("row {i},{},c{}\n", i % 2, i % 4 / 2);
        }
        (0..extra).for_each(|i| text += &format!("other {i},1,c9\n"));
        text.into_bytes()
    };
    let options = || ImportOptions { take: Some(4), ..plain(ImportSource::Csv, "text=t,label=l,category=c") };
    let small = import(options(), &[("f", &rows(0))]).unwrap();
    let large = import(options(), &[("f", &rows(9))]).unwrap();
    assert_eq!(small.rows.len(), 16);
    assert_eq!(small.rows, large.rows[..16]);
    assert!(large.tally.kept.values().all(|n| *n == 4));
    assert_eq!(large.tally.dropped[&Dropped::NotTaken], 49 - 20);
    let other = Importer::new(options()).map(|mut i| {
        i.read(&rows(0), "f").unwrap();
        i.finish(&streams(1)).unwrap()
    });
    assert_ne!(other.unwrap().rows, small.rows);
}

#[test]
fn no_split_parts_copies_and_near_copies() {
    let mut text = "t,l\n".to_owned();
    for i in 0..24 {
        text += &format!("the road w{i} v{i} u{i} t{i} s{i},x\n");
        text += &format!("The road  w{i} v{i} u{i} t{i} s{i} again,x\n");
    }
    let mut options = plain(ImportSource::Csv, "text=t,label=l");
    options.split = Some("train=0.5,test=0.5".parse().unwrap());
    for seed in 0..20 {
        let mut importer = Importer::new(options.clone()).unwrap();
        importer.read(text.as_bytes(), "f").unwrap();
        let rows = importer.finish(&streams(seed)).unwrap().rows;
        assert_eq!(rows.len(), 48);
        let parts: Vec<&str> = rows.iter().map(|r| r.extra["split"].as_str().unwrap()).collect();
        assert!(parts.chunks(2).all(|pair| pair[0] == pair[1]), "{seed}: {parts:?}");
    }
}

proptest! {
    #[test]
    fn parts_never_share_a_group_and_have_their_shares(
        seed: u64,
        rows in prop::collection::vec((0..30_u8, 0..2_u8, 0..3_u8), 60..200),
        share in 0.2..0.8_f64,
    ) {
        let mut text = "t,l,c,g\n".to_owned();
        for (i, (group, label, category)) in rows.iter().enumerate() {
            text += &format!("text {i},{label},c{category},g{group}\n");
        }
        let mut options = plain(ImportSource::Csv, "text=t,label=l,category=c,group=g");
        options.split = Some(format!("a={share},b={}", 1.0 - share).parse().unwrap());
        let split = |seed| {
            let mut importer = Importer::new(options.clone()).unwrap();
            importer.read(text.as_bytes(), "f").unwrap();
            importer.finish(&streams(seed)).map(|i| i.rows)
        };
        let Ok(made) = split(seed) else { return Ok(()) };
        prop_assert_eq!(&split(seed).unwrap(), &made);
        let of = |part: &str| -> Vec<&str> {
            let inside = made.iter().filter(|r| r.extra["split"] == part);
            inside.map(|r| r.group.as_deref().unwrap()).collect()
        };
        let (a, b): (BTreeSet<_>, BTreeSet<_>) = (of("a").into_iter().collect(), of("b").into_iter().collect());
        prop_assert!(a.is_disjoint(&b));
        let largest = (0..30).map(|g| rows.iter().filter(|r| r.0 == g).count()).max().unwrap() as f64;
        let off = of("a").len() as f64 - share * made.len() as f64;
        // A group can't be cut, so that no share is kept more exactly than by the largest.
        prop_assert!(off.abs() <= largest + 1e-9, "{} of {}, largest group {}", off, made.len(), largest);
    }

    #[test]
    fn single_rows_are_split_by_their_shares(seed: u64, many in 10..90_usize, few in 5..30_usize) {
        let mut text = "t,l\n".to_owned();
        (0..many).for_each(|i| text += &format!("a {i},x\n"));
        (0..few).for_each(|i| text += &format!("b {i},y\n"));
        let mut options = plain(ImportSource::Csv, "text=t,label=l");
        options.split = Some("train=0.5,dev=0.2,test=0.3".parse().unwrap());
        let mut importer = Importer::new(options).unwrap();
        importer.read(text.as_bytes(), "f").unwrap();
        let tally = importer.finish(&streams(seed)).unwrap().tally;
        for (label, count) in [("x", many), ("y", few)] {
            for (part, share) in [("train", 0.5), ("dev", 0.2), ("test", 0.3)] {
                let key = (label.to_owned(), None, Some(part.to_owned()));
                let n = tally.kept.get(&key).copied().unwrap_or(0) as f64;
                // Rounding, once here and once carried over from the label before.
                prop_assert!((n - share * count as f64).abs() <= 2.0, "{label} {part}: {n} of {count}");
            }
        }
    }
}
