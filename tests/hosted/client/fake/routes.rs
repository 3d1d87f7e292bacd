//! What it answers on each address.

use super::*;

pub(super) async fn note(
    State(board): Shared,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let headers = request.headers().clone();
    let seen = Seen { path: request.uri().path().to_owned(), headers: headers.clone() };
    board.seen.lock().unwrap().push(seen);
    let key = board.script.lock().unwrap().key;
    if let Some(key) = key
        && headers.get("ndif-api-key").and_then(|k| k.to_str().ok()) != Some(key)
    {
        if request.uri().path() == "/request" {
            board.posts.fetch_add(1, Ordering::SeqCst);
        }
        let sent = headers.get("ndif-api-key").and_then(|k| k.to_str().ok()).unwrap_or("none");
        return say(401, &[], &format!("no such key: {sent}"));
    }
    next.run(request).await
}

fn say(status: u16, headers: &[(&'static str, String)], detail: &str) -> Response {
    let mut response =
        (StatusCode::from_u16(status).unwrap(), axum::Json(json!({ "detail": detail }))).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    response
}

pub(super) async fn model() -> axum::Json<Json> {
    axum::Json(json!({ "info": info(), "stop_tokens": [2], "protocol": 1 }))
}

pub(super) async fn encode(axum::Json(body): axum::Json<Json>) -> axum::Json<Json> {
    let texts = body["texts"].as_array().unwrap();
    let tokens: Vec<Vec<u32>> =
        texts.iter().map(|t| t.as_str().unwrap().bytes().map(u32::from).collect()).collect();
    axum::Json(json!({ "tokens": tokens }))
}

pub(super) async fn cancel() -> Response {
    say(200, &[], "cancelled")
}

pub(super) async fn status(State(board): Shared) -> Response {
    match board.script.lock().unwrap().status.clone() {
        Some(status) => axum::Json(status).into_response(),
        None => say(404, &[], "no status"),
    }
}

pub(super) async fn env(State(board): Shared) -> axum::Json<Json> {
    let nnsight = board.script.lock().unwrap().nnsight;
    axum::Json(
        json!({ "python_version": "3.12.1 (main)", "packages": { "torch": "2.8.0", "nnsight": nnsight } }),
    )
}

pub(super) async fn connected(State(board): Shared) -> Response {
    let there = board.script.lock().unwrap().connected;
    if there { say(200, &[], "connected") } else { say(503, &[], "compute backend is reconnecting") }
}

pub(super) async fn whoami() -> axum::Json<Json> {
    axum::Json(json!({ "email": "me@example.org", "tags": ["tier:1"] }))
}

pub(super) async fn request(State(board): Shared, headers: HeaderMap, mut form: Multipart) -> Response {
    board.posts.fetch_add(1, Ordering::SeqCst);
    let plan = board.script.lock().unwrap().posts.pop_front().unwrap_or(Post::Take);
    if let Post::Hang = plan {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let (mut envelope, mut blob) = (None, None);
    while let Some(field) = form.next_field().await.unwrap() {
        match field.name().unwrap() {
            "data" => {
                envelope = Some(serde_json::from_str::<Envelope>(&field.text().await.unwrap()).unwrap())
            }
            "blob" => {
                assert_eq!(field.file_name(), Some("request"));
                assert_eq!(field.content_type(), Some("application/octet-stream"));
                blob = Some(field.bytes().await.unwrap());
            }
            other => panic!("field {other}"),
        }
    }
    let (envelope, blob) = (envelope.unwrap(), blob.unwrap());
    if let Post::Refuse(status, headers, detail) = &plan {
        return say(*status, headers, detail);
    }
    let repeat = headers.get("idempotency-key").map(|k| k.to_str().unwrap().to_owned());
    let known = repeat.as_ref().and_then(|r| board.repeats.lock().unwrap().get(r).cloned());
    let id = match known {
        Some(id) => id,
        None => take(&board, &envelope, &blob, repeat),
    };
    match plan {
        Post::TakeAndSay(status, detail) => return say(status, &[], detail),
        Post::TakeAndHang => tokio::time::sleep(Duration::from_secs(30)).await,
        Post::TakeSlowly(time) => tokio::time::sleep(time).await,
        _ => {}
    }
    let update =
        Update { id, status: JobStatus::Received, description: "got it".into(), data: None, meta: None };
    axum::Json(update).into_response()
}

fn take(board: &Arc<Board>, envelope: &Envelope, blob: &Bytes, repeat: Option<String>) -> String {
    let n = board.taken.fetch_add(1, Ordering::SeqCst);
    board.most.fetch_max(board.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    board.envelopes.lock().unwrap().push(envelope.clone());
    let id = format!("job-{n}");
    let result = board.script.lock().unwrap().result.clone();
    let result = result.unwrap_or_else(|| {
        let bytes = if envelope.compress { frame::decompress(blob, 1 << 30).unwrap() } else { blob.to_vec() };
        let checked = Graph::from_bytes(&bytes).unwrap().check(&info(), &CheckLimits::default()).unwrap();
        assert_eq!(envelope.model_key, info().name);
        let bytes = answer_to_bytes(&answer(&checked)).unwrap();
        if envelope.compress { frame::compress(&bytes).unwrap() } else { bytes }
    });
    let kept = Kept { result, session: envelope.session_id.clone() };
    board.jobs.lock().unwrap().insert(id.clone(), kept.clone());
    if let Some(repeat) = repeat {
        board.repeats.lock().unwrap().insert(repeat, id.clone());
    }
    if let Some(socket) = board.sockets.lock().unwrap().get(&kept.session).cloned() {
        tokio::spawn(tell(board.clone(), id.clone(), socket));
    }
    id
}

fn completed(id: &str) -> Update {
    Update {
        id: id.to_owned(),
        status: JobStatus::Completed,
        description: String::new(),
        data: Some(format!("/result/{id}").into()),
        meta: None,
    }
}

async fn tell(board: Arc<Board>, id: String, socket: mpsc::UnboundedSender<Message>) {
    let (line, error, pace) = {
        let script = board.script.lock().unwrap();
        (script.line.clone(), script.error, script.pace)
    };
    if matches!(line, Line::Silent | Line::Dead) {
        return;
    }
    let send = |status, description: &str| {
        let update =
            Update { id: id.clone(), status, description: description.into(), data: None, meta: None };
        let _ = socket.send(Message::Text(serde_json::to_string(&update).unwrap().into()));
    };
    for (status, words) in [
        (JobStatus::Received, "got it"),
        (JobStatus::Queued, "position 3"),
        (JobStatus::Queued, "position 1"),
        (JobStatus::Running, ""),
        (JobStatus::Log, "half way\x1b[31m"),
        (
            JobStatus::Log,
            "nns.py:9: UserWarning: 'x.i7' was never reached: the model ran fewer iterations than the loop requested. Kept.",
        ),
        (JobStatus::Log, "  warnings.warn("),
        (
            JobStatus::Log,
            "at 'x.i7' it was never reached: the loop asked for a step the run did not make, so it was cut short",
        ),
        (JobStatus::Log, "nearly"),
        (JobStatus::Other("THAWING".into()), "soon"),
    ] {
        send(status, words);
        tokio::time::sleep(pace).await;
    }
    match (line, error) {
        (Line::Drops, _) => {
            board.sockets.lock().unwrap().clear();
        }
        (Line::Ends(bytes), _) => {
            let _ = socket.send(Message::Binary(bytes.into()));
        }
        (_, Some(error)) => send(JobStatus::Error, error),
        _ => {
            let _ = socket.send(Message::Text(serde_json::to_string(&completed(&id)).unwrap().into()));
        }
    }
}

pub(super) async fn subscribe(State(board): Shared, upgrade: WebSocketUpgrade) -> Response {
    if board.script.lock().unwrap().line == Line::None {
        return say(404, &[], "no sockets here");
    }
    upgrade.on_upgrade(move |socket| serve(board, socket))
}

async fn serve(board: Arc<Board>, mut socket: WebSocket) {
    let session = format!("session-{}", uuid::Uuid::new_v4());
    let (sender, mut messages) = mpsc::unbounded_channel();
    board.sockets.lock().unwrap().insert(session.clone(), sender);
    let first = json!({ "session_id": session }).to_string();
    if socket.send(Message::Text(first.into())).await.is_err() {
        return;
    }
    let dead = board.script.lock().unwrap().line == Line::Dead;
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Some(message) => if socket.send(message).await.is_err() { return },
                // The socket drops without a word.
                None => return,
            },
            heard = socket.recv(), if !dead => if !matches!(heard, Some(Ok(_))) { return },
        }
    }
}

pub(super) async fn response(State(board): Shared, Path(id): Path<String>) -> Response {
    let (plan, error) = {
        let mut script = board.script.lock().unwrap();
        (script.polls.pop_front(), script.error)
    };
    let update = |status, words: &str| {
        let update = Update { id: id.clone(), status, description: words.into(), data: None, meta: None };
        axum::Json(update).into_response()
    };
    if !board.jobs.lock().unwrap().contains_key(&id) {
        return say(404, &[], "no such job");
    }
    match (plan, error) {
        (Some(Poll::Missing), _) => say(404, &[], "no status yet"),
        (Some(Poll::At(status, words)), _) => update(status, words),
        (Some(Poll::Say(status, headers, detail)), _) => say(status, &headers, detail),
        (None, Some(error)) => update(JobStatus::Error, error),
        (None, None) => axum::Json(completed(&id)).into_response(),
    }
}

/// A body whose bytes are on their way before it ends, well or badly.
fn slow_end(part: Vec<u8>, broken: bool) -> Body {
    Body::from_stream(futures_util::stream::unfold((Some(part), broken), |(part, broken)| async move {
        if let Some(part) = part {
            return Some((Ok(Bytes::from(part)), (None, broken)));
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        broken.then(|| (Err(std::io::Error::other("cut")), (None, false)))
    }))
}

pub(super) async fn result(State(board): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(kept) = board.jobs.lock().unwrap().get(&id).cloned() else {
        return say(404, &[], "no such result");
    };
    let (plan, ranges, etag) = {
        let mut script = board.script.lock().unwrap();
        (script.fetches.pop_front().unwrap_or(Fetch::Whole), script.ranges, script.etag)
    };
    let whole = kept.result;
    let asked = headers
        .get(header::RANGE)
        .and_then(|r| r.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let asked = asked.filter(|_| ranges && headers.get(header::IF_RANGE).is_some_and(|t| t == "\"tag\""));
    let from = asked.unwrap_or(0).min(whole.len());
    let rest = whole[from..].to_vec();
    let mut answer = Response::builder().status(if asked.is_some() { 206 } else { 200 });
    if etag {
        answer = answer.header(header::ETAG, "\"tag\"");
    }
    if asked.is_some() {
        answer =
            answer.header(header::CONTENT_RANGE, format!("bytes {from}-{}/{}", whole.len() - 1, whole.len()));
    }
    let length = rest.len();
    let body = match plan {
        Fetch::Whole => {
            let _ = board.now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            Body::from(rest)
        }
        Fetch::Cut(n) => {
            answer = answer.header(header::CONTENT_LENGTH, length);
            slow_end(rest[..n.min(length)].to_vec(), true)
        }
        Fetch::Short(n) => {
            let part = Ok::<_, std::io::Error>(Bytes::from(rest[..n.min(length)].to_vec()));
            Body::from_stream(futures_util::stream::iter([part]))
        }
        Fetch::Drip(pause) => {
            let bytes = futures_util::stream::unfold(rest.into_iter(), move |mut rest| async move {
                tokio::time::sleep(pause).await;
                rest.next().map(|b| (Ok::<_, std::io::Error>(Bytes::from(vec![b])), rest))
            });
            Body::from_stream(bytes)
        }
        Fetch::Claims(n) => {
            answer = answer.header(header::CONTENT_LENGTH, n);
            slow_end(rest, false)
        }
        Fetch::Say(status, detail) => return say(status, &[], detail),
        Fetch::Redirect(to) => return say(302, &[("location", to)], "elsewhere"),
        Fetch::Instead(bytes) => Body::from(bytes),
    };
    answer.body(body).unwrap()
}
