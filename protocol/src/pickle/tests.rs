use std::path::Path;

use proptest::prelude::*;

use super::*;

fn plain(bytes: &[u8]) -> Result<PickleValue, PickleError> {
    read(bytes, &PickleLimits::default(), &|m, n| {
        (m, n) == ("collections", "OrderedDict") || n == "set" || n == "encode"
    })
}

fn str(s: &str) -> PickleValue {
    PickleValue::Str(s.to_owned())
}

#[test]
fn python_writes_what_is_read_in_every_protocol() {
    for protocol in 2..=5 {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/torch/plain.p{protocol}.pkl"));
        let PickleValue::Dict(entries) = plain(&std::fs::read(path).unwrap()).unwrap() else {
            panic!("no dictionary")
        };
        let get = |key: &str| &entries.iter().find(|(k, _)| *k == str(key)).unwrap().1;
        let a = PickleValue::List(vec![
            PickleValue::Int(1),
            PickleValue::Float(2.5),
            PickleValue::None,
            PickleValue::Bool(true),
        ]);
        assert_eq!(*get("a"), a);
        assert_eq!(*get("shared"), PickleValue::List(vec![a.clone(), a]));
        let PickleValue::Call(ordered) = get("d") else { panic!("no call") };
        assert_eq!(ordered.global.name, "OrderedDict");
        assert_eq!(ordered.items, [(str("k"), PickleValue::Int(1))]);
        // Protocol 2 has no bytes and writes a call of codecs.encode; before 4 a set is a call.
        if protocol > 2 {
            assert_eq!(*get("b"), PickleValue::Tuple(vec![str("x"), PickleValue::Bytes(b"y".to_vec())]));
        }
        if protocol > 3 {
            assert_eq!(*get("c"), PickleValue::Set(vec![PickleValue::Int(1), PickleValue::Int(2)]));
        }
    }
}

/// Bytes are there every time that something around them comes, as an array of NumPy under two names does.
#[test]
fn bytes_inside_of_what_is_shared_come_whole_every_time() {
    // pickle.dumps((l, l), 4) of l = [b"abc"]
    let bytes = b"\x80\x04\x95\x0e\0\0\0\0\0\0\0]\x94C\x03abc\x94ah\0\x86\x94.";
    let list = PickleValue::List(vec![PickleValue::Bytes(b"abc".to_vec())]);
    assert_eq!(plain(bytes).unwrap(), PickleValue::Tuple(vec![list.clone(), list]));
}

#[test]
fn integers_keep_their_sign() {
    for (bytes, expected) in [
        (&b"\x80\x02\x8a\x00."[..], 0),
        (b"\x80\x02\x8a\x01\xff.", -1),
        (b"\x80\x02\x8a\x02\xff\x00.", 255),
        (b"\x80\x02\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", i64::MIN),
        (b"\x80\x02J\xfe\xff\xff\xff.", -2),
    ] {
        assert_eq!(plain(bytes), Ok(PickleValue::Int(expected)));
    }
    assert!(matches!(plain(b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01."), Err(PickleError::Malformed { .. })));
}

#[test]
fn globals_off_the_list_are_refused_however_they_are_spelt() {
    let refused = |bytes: &[u8]| match plain(bytes) {
        Err(PickleError::Global { module, name }) => format!("{module}.{name}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(b"cos\nsystem\n(X\x02\0\0\0lstR."), "os.system");
    assert_eq!(refused(b"\x80\x04\x8c\x05posix\x8c\x06system\x93."), "posix.system");
    assert_eq!(refused(b"\x80\x02cbuiltins\neval\n."), "builtins.eval");
    // Opcodes that build instances in other ways are not known at all.
    for code in [b'i', b'o', 0x82, 0x83, 0x84, 0x92, b'P', b'S', b'V', b'I', b'L', b'F', b'p', b'g'] {
        assert_eq!(plain(&[0x80, 2, code]), Err(PickleError::Opcode { code, at: 2 }));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for bad in [
        &b""[..],
        b"\x80",
        b"\x80\x06.",
        b".",
        b"t.",
        b"(.",
        b"N",
        b"NN.",
        b"\x85.",
        b"(N\x85.",
        b"Na.",
        b"]N(e.",
        b"h\0.",
        b"]NNs.",
        b"}(Nu.",
        b"NR.",
        b"N)R.",
        b"NNb.",
        b"X\xff\xff\xff\xff",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"X\x01\0\0\0\xff.",
        b"ccollections\nOrderedDict\nNR.",
        b"NN\x93.",
        b"q\0.",
        b"1.",
    ] {
        assert!(plain(bad).is_err(), "{bad:x?}");
    }
}

#[test]
fn small_inputs_do_not_grow_without_end() {
    // A list that holds itself.
    assert_eq!(plain(b"]q\0h\0a."), Err(PickleError::Cycle));
    // Twice the list before, sixty times over: 2^60 values from 400 bytes.
    let mut doubling = b"]q\0".to_vec();
    for i in 0..60_u8 {
        doubling.extend([b'0', b'h', i, b'h', i, 0x86, b'q', i + 1]);
    }
    doubling.push(b'.');
    let limits = PickleLimits { values: 1 << 16, ..PickleLimits::default() };
    let refused = Err(PickleError::TooLarge { what: "values", limit: 1 << 16 });
    assert_eq!(read(&doubling, &limits, &|_, _| false), refused);
    let mut deep = vec![b'N'];
    deep.extend([0x85; 10_000]);
    deep.push(b'.');
    assert_eq!(plain(&deep), Err(PickleError::TooLarge { what: "levels of nesting", limit: 64 }));
    let limits = PickleLimits { values: 10, ..PickleLimits::default() };
    let many = [vec![b'('; 1], vec![b'N'; 20], b"l.".to_vec()].concat();
    assert_eq!(read(&many, &limits, &|_, _| false), Err(PickleError::TooLarge { what: "values", limit: 10 }));
    // The same long text many times over.
    let mut text = b"(X\xe8\x03\0\0".to_vec();
    text.extend([b'a'; 1000]);
    text.extend(b"q\0");
    text.extend([b'h', 0].repeat(1000));
    text.extend(b"l.");
    let limits = PickleLimits { text: 500_000, ..PickleLimits::default() };
    assert_eq!(
        read(&text, &limits, &|_, _| false),
        Err(PickleError::TooLarge { what: "bytes of text", limit: 500_000 })
    );
    assert!(plain(&text).is_ok());
}

fn global() -> impl Strategy<Value = Global> {
    prop::sample::select(vec![("collections", "OrderedDict"), ("a.b", "set"), ("_codecs", "encode")])
        .prop_map(|(m, n)| Global { module: m.into(), name: n.into() })
}

fn values() -> impl Strategy<Value = PickleValue> {
    let leaf = prop_oneof![
        Just(PickleValue::None),
        any::<bool>().prop_map(PickleValue::Bool),
        any::<i64>().prop_map(PickleValue::Int),
        (-70_000..70_000_i64).prop_map(PickleValue::Int),
        any::<f64>().prop_filter("NaN is not itself", |f| !f.is_nan()).prop_map(PickleValue::Float),
        "[a-c]{0,3}".prop_map(PickleValue::Str),
        "\\PC{0,300}".prop_map(PickleValue::Str),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(PickleValue::Bytes),
        global().prop_map(PickleValue::Global),
    ];
    leaf.prop_recursive(4, 60, 6, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..6);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        let call = (global(), any::<bool>(), many(), pairs(), many(), prop::option::of(inner.clone()));
        prop_oneof![
            many().prop_map(PickleValue::List),
            many().prop_map(PickleValue::Tuple),
            many().prop_map(PickleValue::Set),
            pairs().prop_map(PickleValue::Dict),
            inner.clone().prop_map(|v| PickleValue::Persistent(Box::new(v))),
            call.prop_map(|(global, bare, args, items, appended, state)| {
                PickleValue::Call(Box::new(Call { global, bare, args, items, appended, state }))
            }),
        ]
    })
}

#[test]
fn what_repeats_is_written_once() {
    let name = str("a name of some length");
    let bytes = write(&PickleValue::List(vec![name; 100]), &|_, _| true).unwrap();
    assert!(bytes.len() < 22 + 2 * 100 + 10, "{}", bytes.len());
    let many: Vec<PickleValue> = (0..300).chain(0..300).map(|i| str(&format!("n{i}"))).collect();
    let many = PickleValue::List(many);
    assert_eq!(plain(&write(&many, &|_, _| true).unwrap()), Ok(many));
}

#[test]
fn nothing_is_written_that_is_not_allowed() {
    let system = PickleValue::Global(Global { module: "os".into(), name: "system".into() });
    assert!(matches!(write(&system, &|m, _| m != "os"), Err(PickleError::Global { .. })));
    let mut deep = PickleValue::None;
    for _ in 0..100 {
        deep = PickleValue::List(vec![deep]);
    }
    assert!(matches!(write(&deep, &|_, _| true), Err(PickleError::TooLarge { .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in values()) {
        prop_assert_eq!(plain(&write(&value, &|_, _| true).unwrap()), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = plain(&bytes);
    }

    #[test]
    fn any_instructions_are_read_or_refused(codes in prop::collection::vec(prop::sample::select(
        b"(.012NQRabcdehjlqrstu}])\x80\x81\x85\x86\x87\x88\x8f\x90\x91\x93\x94\0\x01\n".to_vec()), 0..120)) {
        let _ = plain(&codes);
    }
}
