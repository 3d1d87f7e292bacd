//! The playground against what it stands on: `steer`, `monitor`, numpy; and its routes.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures_util::StreamExt as _;
use tower_service::Service as _;
use truenorth_analyses::monitor::{Monitor, MonitorData, Params};
use truenorth_analyses::steer::{damage, steer};
use truenorth_engine::{Engine, EngineOptions};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::run::{Runner as _, Unwatched};
use truenorth_protocol::{Site, WriteAt};
use truenorth_reading::{Analysis as _, AnalysisContext, NamedPrompt, Reader, Speech};
use truenorth_stats::math::Seeds;

use super::*;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

fn engine(path: &str) -> Engine {
    let options = EngineOptions { name: path.into(), revision: "fixture".into(), ..EngineOptions::default() };
    Engine::open(&fixture(path), &options).unwrap()
}

/// A random Llama of two blocks with a tokenizer; one direction at one site, one at two.
fn setup() -> Setup {
    let engine = engine("gguf/llama/model.gguf");
    let hidden = engine.info().hidden as usize;
    let member = |site, k: usize| {
        let raw: Vec<f32> = (0..hidden).map(|i| ((i * k) % 7) as f32 - 3.0).collect();
        let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
        let vector = raw.iter().map(|v| v / norm).collect();
        OfferedVector { site, vector, norm: Some(4.0), residual_norm: Some(4.0) }
    };
    let one = Offered {
        name: "<one>".into(),
        sign: "up & <b>down</b>".into(),
        members: vec![member(Site::ResidPost(0), 3)],
    };
    let two = Offered {
        name: "two".into(),
        sign: String::new(),
        members: vec![member(Site::ResidPost(0), 5), member(Site::ResidPost(1), 2)],
    };
    Setup {
        runner: Arc::new(engine),
        directions: vec![one, two],
        unit: "norm",
        marks: vec![],
        speech: Speech::default(),
        start: Start::default(),
        limits: PlayLimits::default(),
        base: String::new(),
        within: None,
        hosts: Hosts::default(),
    }
}

fn playground() -> Arc<Playground> {
    Arc::new(Playground::new(setup()).unwrap())
}

fn told(play: &Playground, settings: &Settings) -> Vec<Event> {
    let events = Mutex::new(Vec::new());
    let tell = |event| events.lock().unwrap().push(event);
    run::run(play, settings, &AtomicBool::new(false), &tell).unwrap();
    events.into_inner().unwrap()
}

#[test]
fn promoted_and_suppressed_tokens_are_those_of_numpy() {
    let file = std::fs::read(fixture("play/lens.json")).unwrap();
    let all: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
    assert!(all.len() > 4);
    for want in all {
        let family = want["family"].as_str().unwrap();
        let engine = engine(&format!("families/{family}"));
        let direction: Vec<f32> = serde_json::from_value(want["direction"].clone()).unwrap();
        // Its site and its length make no difference to what it promotes.
        let long: Vec<f32> = direction.iter().map(|v| v * 3.0).collect();
        let asked =
            [("a".to_owned(), Site::ResidPost(0), &direction[..]), ("b".to_owned(), Site::Embed, &long[..])];
        for found in lenses(&engine, &asked, 5, &Unwatched).unwrap() {
            for (end, found) in [("promoted", &found.promoted), ("suppressed", &found.suppressed)] {
                let want: Vec<(u32, f64)> = serde_json::from_value(want[end].clone()).unwrap();
                assert_eq!(
                    found.iter().map(|t| t.id).collect::<Vec<_>>(),
                    want.iter().map(|t| t.0).collect::<Vec<_>>(),
                    "{family}"
                );
                for (found, want) in found.iter().zip(want) {
                    assert!(
                        (found.logit - want.1).abs() < 2e-4,
                        "{family} {end}: {} {}",
                        found.logit,
                        want.1
                    );
                }
            }
        }
    }
}

#[test]
fn texts_are_those_of_steer_and_their_tokens_come_one_by_one() {
    let play = playground();
    let start = Settings { prompt: "the old hat".into(), alpha: 0.8, max_new_tokens: 12, ..play.start() };
    let cases = [
        start.clone(),
        Settings { directions: vec![(1, -0.5), (0, 1.0)], temperature: 0.9, seed: 7, ..start.clone() },
        Settings { ablate: true, alpha: 0.0, positions: WriteAt::Generated, ..start.clone() },
        Settings { ablate: true, positions: WriteAt::Last, temperature: 1.5, seed: 3, ..start.clone() },
    ];
    for settings in cases {
        let events = told(&play, &settings);
        let reader = Reader::new(play.runner(), None);
        let sampling = Sampling {
            temperature: settings.temperature,
            seed: settings.seed,
            stop: play.runner().stop_tokens(),
            ..Sampling::greedy(12)
        };
        let prompts = [NamedPrompt::text("prompt", "the old hat")];
        let mut texts = Vec::new();
        for (side, dose) in [
            (
                PlainOrSteered::Plain,
                truenorth_analyses::steer::Dose { ablate: false, ..play.dose(&settings, vec![0.0]) },
            ),
            (PlainOrSteered::Steered, play.dose(&settings, vec![settings.alpha])),
        ] {
            let want = steer(&reader, &prompts, &dose, &sampling, &Unwatched).unwrap().remove(0);
            let streamed: Vec<i64> = events
                .iter()
                .filter_map(|e| match e {
                    Event::Token { side: of, token } if *of == side => Some(i64::from(token.id)),
                    _ => None,
                })
                .collect();
            assert_eq!(streamed, want.tokens, "{side:?} {settings:?}");
            let written = events.iter().find_map(|e| match e {
                Event::Written { side: of, row, pieces, whole: None } if *of == side => Some((row, pieces)),
                _ => None,
            });
            let (row, pieces) = written.unwrap();
            assert_eq!(**row, want);
            assert_eq!(pieces.iter().map(|p| i64::from(p.id)).collect::<Vec<_>>(), want.tokens);
            texts.push(want.tokens);
        }
        assert_ne!(texts[0], texts[1], "the dose does something: {settings:?}");
        compare_colours(&play, &settings, &events, &texts);
        compare_doses(&play, &settings, &events);
    }
}

fn compare_colours(play: &Playground, settings: &Settings, events: &[Event], texts: &[Vec<i64>]) {
    let colours = events.iter().find_map(|e| if let Event::Colours(c) = e { Some(c) } else { None }).unwrap();
    let prompt = play.runner().encode("the old hat", true).unwrap().unwrap();
    assert_eq!(colours.given, prompt.len());
    let seeds = Seeds::new(0);
    let asked =
        AnalysisContext { reader: Reader::new(play.runner(), None), seeds: &seeds, watch: &Unwatched };
    let watched: Vec<_> =
        settings.directions.iter().flat_map(|(i, _)| play.offered()[*i].watched()).collect();
    for (side, tokens) in [&colours.plain, &colours.steered].into_iter().zip(texts) {
        let ids = prompt.iter().copied().chain(tokens.iter().map(|t| u32::try_from(*t).unwrap()));
        let named = [NamedPrompt::tokens("text", ids.collect())];
        let data = MonitorData { texts: &named, directions: &watched };
        let want = Monitor::run(&data, &Params::default(), &asked).unwrap();
        assert_eq!(side.len(), want.texts[0].tokens.len());
        for (found, want) in side.iter().zip(&want.texts[0].tokens) {
            assert_eq!(found.id, want.id);
            for (a, b) in found.projection.iter().zip(&want.projection) {
                assert!((a - b).abs() < 1e-5);
            }
            assert_eq!((found.projection.len(), found.step.len()), (watched.len(), watched.len()));
        }
    }
    for (k, scale) in colours.directions.iter().enumerate() {
        let plain: Vec<f64> = colours.plain.iter().skip(1).map(|t| t.projection[k]).collect();
        let mean = plain.iter().sum::<f64>() / plain.len() as f64;
        assert!((scale.centre - mean).abs() < 1e-12 && scale.reach > 0.0);
        let ends: Vec<i8> = colours.plain.iter().chain(&colours.steered).skip(1).map(|t| t.step[k]).collect();
        assert!(ends.iter().any(|s| s.abs() == 4) && ends.iter().all(|s| s.abs() <= 4));
    }
}

fn compare_doses(play: &Playground, settings: &Settings, events: &[Event]) {
    let doses =
        events.iter().find_map(|e| if let Event::Doses { doses } = e { Some(doses) } else { None }).unwrap();
    let alphas: Vec<f64> = doses.iter().map(|d| d.alpha).collect();
    assert!(
        alphas.windows(2).all(|w| w[0] < w[1]) && alphas.contains(&settings.alpha) && alphas.contains(&0.0)
    );
    let reader = Reader::new(play.runner(), None);
    let prompts = [NamedPrompt::text("prompt", "the old hat")];
    let want = damage(&reader, &prompts, &play.dose(settings, alphas), &Unwatched).unwrap();
    for (found, want) in doses.iter().zip(want) {
        assert!((found.damage.kl - want.kl).abs() < 1e-9, "{} {}", found.damage.kl, want.kl);
        assert_eq!(found.damage.size.len(), want.size.len());
    }
    // What was measured is not measured again.
    let nobody = AtomicBool::new(true);
    let ends = run::RunEnd::new(&nobody, std::time::Instant::now());
    assert_eq!(play.doses(settings, &ends, &|_| {}).unwrap(), *doses);
}

#[test]
fn marks_are_shared_by_sites_and_a_run_that_nobody_hears_ends() {
    let play = playground();
    assert_eq!(play.marks(&[(0, 1.0)]).first(), Some(&-0.2));
    assert_eq!(play.marks(&[(1, 1.0)]).first(), Some(&-0.1));
    let settings = Settings { max_new_tokens: 200, ..play.start() };
    let refused = run::run(&play, &settings, &AtomicBool::new(true), &|_| {}).unwrap_err();
    assert!(refused.message.contains("stopped"), "{refused}");
    let late = Playground::new(Setup {
        limits: PlayLimits { run_time: std::time::Duration::ZERO, ..PlayLimits::default() },
        ..setup()
    });
    let refused = run::run(&late.unwrap(), &settings, &AtomicBool::new(false), &|_| {}).unwrap_err();
    assert!(refused.message.contains("longer than 0 s") && refused.hint.is_some(), "{refused}");
}

#[test]
fn a_prompt_of_too_many_tokens_is_refused_before_the_model_is_asked() {
    let play = Playground::new(Setup {
        limits: PlayLimits { prompt_tokens: 3, ..PlayLimits::default() },
        ..setup()
    })
    .unwrap();
    let settings = Settings { prompt: "the old hat on a red mat".into(), ..play.start() };
    let refused = run::run(&play, &settings, &AtomicBool::new(false), &|e| panic!("{e:?}")).unwrap_err();
    assert!(refused.message.contains("more than 3"), "{refused}");
}

async fn text(body: Body) -> String {
    let text = String::from_utf8(to_bytes(body, 1 << 24).await.unwrap().to_vec()).unwrap();
    // What fills templates in spells a slash so; to a browser it is one.
    text.replace("&#x2f;", "/")
}

async fn ask(play: &Arc<Playground>, request: Request<Body>) -> (StatusCode, String) {
    let response: Response = router(play.clone()).call(request).await.unwrap();
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    (response.status(), text(response.into_body()).await)
}

fn post(path: &str, form: &str, accept: &str) -> Request<Body> {
    Request::post(path)
        .header("host", "127.0.0.1:1")
        .header("accept", accept)
        .body(Body::from(form.to_owned()))
        .unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()
}

const FORM: &str = "prompt=the+old+%3Cscript%3Ehat&direction=%3Cone%3E&alpha=0.5&max-new-tokens=4";

#[tokio::test]
async fn a_form_is_answered_as_a_page_as_json_and_as_a_stream_with_the_same_texts() {
    let play = playground();
    let (status, page) = ask(&play, post("/run", FORM, "text/html,*/*")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("4 tokens") && page.contains("role=\"listitem\""));
    // What visitors, files and models write is text.
    assert!(
        !page.contains("<script>hat") && page.contains("&lt;script&gt;hat") && page.contains("&lt;b&gt;down")
    );
    assert!(!page.contains("style=") && !page.contains("onclick"));
    let (status, json) = ask(&play, post("/run", FORM, "application/json")).await;
    assert_eq!(status, StatusCode::OK);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let texts = |events: &[serde_json::Value]| -> Vec<serde_json::Value> {
        let mut texts: Vec<_> = events.iter().filter(|e| e["event"] == "written").cloned().collect();
        texts.sort_by_key(|t| t["side"].to_string());
        texts
    };
    let whole = texts(json["events"].as_array().unwrap());
    let (_, stream) = ask(&play, post("/run", FORM, "text/event-stream")).await;
    let frames = stream.lines().filter_map(|l| l.strip_prefix("data: "));
    let events: Vec<serde_json::Value> = frames.map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(texts(&events), whole);
    assert_eq!(events.iter().filter(|e| e["event"] == "token").count(), 8);
    // The link asks the same again: the page that it opens has all settings in it.
    let link = events.last().unwrap()["link"].as_str().unwrap();
    let (status, page) = ask(&play, get(link)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("the old &lt;script&gt;hat</textarea>") && page.contains("value=\"0.5\""),
        "{page}"
    );
    assert!(!page.contains("made with another model"));
    let (_, page) = ask(&play, get(&link.replace("of=", "of=0"))).await;
    assert!(page.contains("made with another model or other directions"));
}

#[tokio::test]
async fn what_is_wrong_is_said_where_it_is_asked() {
    let play = playground();
    for (form, says) in
        [("prompt=a&direction=none", "`none`"), ("prompt=&direction=two", "no prompt"), ("alpha=x", "`x`")]
    {
        let (status, json) = ask(&play, post("/run", form, "text/event-stream")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(json.contains("\"error\"") && json.contains(says), "{json}");
        let (status, page) = ask(&play, post("/run", form, "text/html")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.contains("role=\"alert\"") && page.contains(says), "{page}");
    }
    let (status, page) = ask(&play, get("/?alpha=x")).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("role=\"alert\""));
    let long = format!("prompt={}", "a".repeat(70_000));
    assert_eq!(ask(&play, post("/run", &long, "*/*")).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ask(&play, get("/nowhere")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&play, get("/run")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let rebound = Request::get("/").header("host", "evil.example").body(Body::empty()).unwrap();
    assert_eq!(ask(&play, rebound).await.0, StatusCode::FORBIDDEN);
    let mut foreign = post("/run", FORM, "*/*");
    foreign.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    assert_eq!(ask(&play, foreign).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn one_run_has_the_model_and_who_finds_no_place_is_told_to_come_again() {
    let limits = PlayLimits { waiting: 2, waiting_each: 1, ..PlayLimits::default() };
    let play = Arc::new(Playground::new(Setup { limits, ..setup() }).unwrap());
    let held = play.enter(None).unwrap();
    let of = |name: &str| {
        let mut request = post("/run", FORM, "text/event-stream");
        request.extensions_mut().insert(ClientName(name.into()));
        request
    };
    let waits = router(play.clone()).call(of("a")).await.unwrap();
    assert_eq!(ask(&play, of("b")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    let mut frames = waits.into_body().into_data_stream();
    let first = frames.next().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains(r#""event":"queued","place":1"#), "{first:?}");
    drop(held);
    let mut last = first;
    while let Some(frame) = frames.next().await {
        last = frame.unwrap();
    }
    assert!(String::from_utf8_lossy(&last).contains(r#""event":"done""#), "{last:?}");
    // One who goes while it waits leaves its place.
    let held = play.enter(None).unwrap();
    let waits = router(play.clone()).call(of("a")).await.unwrap();
    drop(waits);
    while play.queue().enter(None).is_err() {
        tokio::task::yield_now().await;
    }
    drop(held);
}

#[tokio::test]
async fn nested_routes_stay_under_their_path() {
    let within = Within { title: "Words & \u{202e}tins".into(), href: "/".into() };
    let play =
        Arc::new(Playground::new(Setup { base: "/play".into(), within: Some(within), ..setup() }).unwrap());
    let mut app = axum::Router::new().nest("/play", router(play.clone()));
    let response = app.call(get("/play")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let page = text(response.into_body()).await;
    for own in [
        "action=\"/play/run\"",
        "href=\"/play/play.css",
        "src=\"/play/play.js",
        "href=\"/play?prompt=",
        "<a href=\"/\">Words &amp; ",
    ] {
        assert!(page.contains(own), "{own}: {page}");
    }
    assert_eq!(app.call(get("/play/play.js")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(app.call(get("/play/lens")).await.unwrap().status(), StatusCode::OK);
}
