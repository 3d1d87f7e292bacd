//! Pairs, classes and prompts as people of the field keep them (`fixtures/make/field.py`).

use std::path::Path;

use super::super::*;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/field").join(name)).unwrap()
}

fn pairs(name: &str, template: &str) -> Loaded<Pair> {
    read_pairs(bytes(name).as_slice(), name, &template.parse().unwrap())
        .unwrap_or_else(|e| panic!("{name}: {:?}", e.problem))
}

#[test]
fn pairs_of_caa_and_repeng_are_pairs() {
    for name in ["caa.json", "caa.csv"] {
        let found = pairs(name, "{prompt}{response}");
        assert_eq!(
            (found.rows.len(), found.rows[1].chosen.as_str(), found.rows[1].rejected.as_str()),
            (12, " (B)", " (A)")
        );
        assert!(found.rows[1].prompt.starts_with("Question 1?\n\nChoices:"), "{name}");
        assert!(found.notes.iter().any(|n| n.contains("`answer_matching_behavior`")), "{:?}", found.notes);
        assert!(holds_pairs(bytes(name).as_slice(), name).unwrap());
    }
    let found = pairs("repeng.jsonl", "{response}");
    assert_eq!((found.rows.len(), found.rows[0].chosen.as_str()), (12, "I am happy about thing 0."));
    // Whole texts have no prompt; a template that shows one says what to do.
    let error =
        read_pairs(bytes("repeng.jsonl").as_slice(), "r.jsonl", &"{prompt} {response}".parse().unwrap())
            .unwrap_err();
    assert!(error.hint().unwrap().contains("leave {prompt} out of the template"), "{:?}", error.hint());
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_of_the_datasets_package_is_read_with_its_conversations() {
    let found = pairs("preferences.parquet", "{prompt} {response}");
    assert_eq!(found.rows.len(), 6);
    let first = &found.rows[0];
    assert_eq!(
        (first.prompt.as_str(), first.chosen.as_str(), first.rejected.as_str()),
        ("Ask 0", "Kind reply 0", "Rude reply 0")
    );
    assert!(found.notes.iter().any(|n| n.contains("each goes by its row")), "{:?}", found.notes);
    let lines = read_classes(bytes("chats.jsonl").as_slice(), "chats.jsonl").unwrap();
    let columns = read_classes(bytes("chats.parquet").as_slice(), "chats.parquet").unwrap();
    assert_eq!(lines.rows, columns.rows);
    assert_eq!((lines.rows[1].text.as_str(), lines.rows[1].label.as_str()), ("Ask 1\nReply 1 fine", "1"));
    assert_eq!(
        lines.rows[1].turns.iter().map(|t| t.role.as_str()).collect::<Vec<_>>(),
        ["user", "assistant"]
    );
    let sentiment = read_sentiment(bytes("chats.parquet").as_slice(), "chats.parquet").unwrap();
    assert_eq!((sentiment.rows[1].positive, sentiment.rows[1].turns.len()), (true, 2));
    let sequences = read_sequences(bytes("chats.jsonl").as_slice(), "chats.jsonl").unwrap();
    assert_eq!((sequences.rows[0].turns.len(), sequences.rows[0].text.as_str()), (2, "Ask 0\nReply 0 bad"));
    let concepts = read_classes(bytes("axbench.parquet").as_slice(), "axbench.parquet").unwrap();
    assert_eq!((concepts.rows.len(), concepts.rows[1].label.as_str()), (12, "positive"));
    assert_eq!(concepts.rows[1].turns[1].content, "Matter 1 of rain and clouds.");
    assert_eq!(concepts.rows[1].extra["output_concept"], "terms related to weather");
    let categories: Vec<Option<&str>> = concepts.rows.iter().map(|r| r.category.as_deref()).collect();
    assert_eq!(categories[..3], [None, Some("terms related to weather"), None]);
    for cut in [4, 100, 1000] {
        let mut whole = bytes("chats.parquet");
        whole.truncate(cut);
        assert!(read_classes(whole.as_slice(), "cut.parquet").is_err());
    }
}

#[test]
fn conversations_of_sharegpt_and_a_season_are_prompts() {
    let found = read_prompts(bytes("sharegpt.jsonl").as_slice(), "sharegpt.jsonl").unwrap();
    let PromptInput::Messages(turns) = &found.rows[2].input else { panic!("a conversation") };
    assert_eq!(
        (turns[0].role.as_str(), turns[1].role.as_str(), turns[1].content.as_str()),
        ("user", "assistant", "Reply 2")
    );
    let season = read_prompts(bytes("season.json").as_slice(), "season.json").unwrap();
    assert_eq!(season.rows.len(), 3);
    assert!(matches!(&season.rows[1].input, PromptInput::Text(t) if t == "A letter came"));
}

#[cfg(feature = "parquet")]
#[test]
fn data_sets_of_conversations_are_converted_to_classes_that_come_back() {
    use super::super::import::{ImportOptions, ImportSource, Importer};
    use truenorth_stats::math::Seeds;
    for (name, source, columns) in [
        ("chats.jsonl", ImportSource::Jsonl, "text=messages"),
        ("chats.parquet", ImportSource::Parquet, "text=messages"),
        ("sharegpt.jsonl", ImportSource::Jsonl, "text=conversations,label=toxic"),
    ] {
        let mut options = ImportOptions::new(source);
        options.columns = columns.parse().unwrap();
        let mut importer = Importer::new(options).unwrap();
        importer.read(&bytes(name), name).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let seeds = Seeds::new(0);
        let made = importer.finish(&|label| seeds.stream(label)).unwrap();
        assert!(made.rows.len() > 5 && made.rows[0].turns.len() == 2, "{name}");
        let lines: String = made.rows.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
        assert_eq!(read_classes(lines.as_bytes(), "made.jsonl").unwrap().rows, made.rows, "{name}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_damaged_parquet_file_never_panics() {
    let whole = bytes("chats.parquet");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let _ = read_table(bytes.as_slice(), "t.parquet");
    }
}

#[test]
fn concept_files_have_their_concepts_as_categories() {
    let head = "input,output,output_concept,category,dataset_category,concept_id\n";
    let file = "Ask A,A reply,rain,positive,instruction,0\nAsk B,B reply,rain,negative,instruction,0\n\
        Ask C,C reply,snow//hail,hard negative,instruction,0\nOnce,upon a time,coins,positive,continuation,1\n\
        Ask D,D reply,EEEEE,negative,instruction,-1\n";
    let found = read_classes(format!("{head}{file}").as_bytes(), "c.csv").unwrap();
    let of = |r: &ClassRow| (r.label.clone(), r.category.clone().unwrap_or_default());
    let rows: Vec<(String, String)> = found.rows.iter().map(of).collect();
    let wanted = [
        ("positive", "rain"),
        ("negative", "rain"),
        ("negative", "rain"),
        ("positive", "coins"),
        ("negative", ""),
    ];
    assert_eq!(rows, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!((found.rows[2].extra["hard"].as_bool(), found.rows[1].extra.get("hard")), (Some(true), None));
    // A continuation is one text, an answer a turn of its own.
    assert_eq!((found.rows[3].text.as_str(), found.rows[3].turns.len()), ("Onceupon a time", 0));
    assert_eq!((found.rows[0].text.as_str(), found.rows[0].turns.len()), ("Ask A\nA reply", 2));
    assert!(
        found.notes[1].contains("a file of 2 concepts")
            && found.notes[2].contains("1 rows of c.csv are hard"),
        "{:?}",
        found.notes
    );
    // Without numbers a row's concept is its own.
    let bare: String =
        format!("{head}{file}").lines().map(|l| l.rsplit_once(',').unwrap().0.to_owned() + "\n").collect();
    let found = read_classes(bare.as_bytes(), "c.csv").unwrap();
    assert_eq!(found.rows[1].category.as_deref(), Some("rain"));
    assert_eq!((found.rows[2].category.as_deref(), found.rows[4].category.as_deref()), (None, None));
    // What they are written as comes back as the same classes.
    let lines: String = found.rows.iter().map(|r| serde_json::to_string(r).unwrap() + "\n").collect();
    let again = read_classes(lines.as_bytes(), "made.jsonl").unwrap().rows;
    assert_eq!(again.iter().map(of).collect::<Vec<_>>(), found.rows.iter().map(of).collect::<Vec<_>>());
}
