//! Whether a person submits: a token of the page's widget, verified by whoever runs it (Turnstile's protocol, which
//! hCaptcha and reCAPTCHA share).

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::error::ArenaError;

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A service that verifies that a visitor is a person.
#[derive(Clone)]
pub struct Captcha {
    client: reqwest::Client,
    verify: String,
    secret: String,
    /// The key of the widget, which pages show.
    pub site_key: String,
    /// URL of the widget's script.
    pub script: String,
}

#[derive(Deserialize)]
struct CaptchaReply {
    success: bool,
}

impl Captcha {
    /// By the address that verifies, a file with the secret, and what the widget needs.
    ///
    /// # Errors
    /// When the file can't be read or is empty, or no client can be made.
    pub fn new(verify: &str, secret_file: &Path, site_key: &str, script: &str) -> Result<Self, ArenaError> {
        let secret = std::fs::read_to_string(secret_file).map_err(ArenaError::file("read", secret_file))?;
        if secret.trim().is_empty() {
            return Err(ArenaError::asked(
                format!("{} holds no secret", secret_file.display()),
                "write the secret of the captcha's site into it",
            ));
        }
        truenorth_remote::tls::provider();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| ArenaError::Serve(std::io::Error::other(e)))?;
        Ok(Self {
            client,
            verify: verify.to_owned(),
            secret: secret.trim().to_owned(),
            site_key: site_key.to_owned(),
            script: script.to_owned(),
        })
    }

    /// Where the script comes from, for the policy of pages.
    pub(super) fn script_origin(&self) -> Option<String> {
        let (scheme, rest) = self.script.split_once("://")?;
        let host = rest.split('/').next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        host.chars().all(plain).then(|| format!("{scheme}://{host}"))
    }

    /// Whether a token stands for a person. Whatever goes wrong is a no: no answer, another status, another shape.
    pub(super) async fn verified(&self, token: &str) -> bool {
        if token.is_empty() || token.len() > 4096 {
            return false;
        }
        // The address of the client is not passed on.
        let asked = self.client.post(&self.verify).json(&json!({ "secret": self.secret, "response": token }));
        let Ok(answer) = asked.send().await else { return false };
        if !answer.status().is_success() {
            return false;
        }
        answer.json::<CaptchaReply>().await.is_ok_and(|v| v.success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wiremock::matchers::{body_partial_json, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    #[tokio::test]
    async fn a_token_counts_when_the_service_says_so_and_not_else() {
        let server = MockServer::start().await;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "s3cret\n").unwrap();
        let of = |at: &str| {
            Captcha::new(&format!("{}/{at}", server.uri()), &file, "key", "https://c.example/a.js").unwrap()
        };
        let answers = |at: &str, answer: ResponseTemplate| {
            Mock::given(method("POST"))
                .and(path(format!("/{at}")))
                .and(body_partial_json(json!({ "secret": "s3cret" })))
                .respond_with(answer)
                .mount(&server)
        };
        answers("yes", ResponseTemplate::new(200).set_body_json(json!({ "success": true }))).await;
        answers("no", ResponseTemplate::new(200).set_body_json(json!({ "success": false }))).await;
        answers("shape", ResponseTemplate::new(200).set_body_string("true")).await;
        answers("down", ResponseTemplate::new(503).set_body_json(json!({ "success": true }))).await;
        answers("moved", ResponseTemplate::new(302).insert_header("location", "/yes")).await;
        assert!(of("yes").verified("token").await);
        assert!(!of("yes").verified("").await);
        for at in ["no", "shape", "down", "moved", "nowhere"] {
            assert!(!of(at).verified("token").await, "{at}");
        }
        assert_eq!(of("yes").script_origin().as_deref(), Some("https://c.example"));
        drop(server);
        let gone = Captcha::new("http://127.0.0.1:9/verify", &file, "key", "x").unwrap();
        assert!(!gone.verified("token").await);
        std::fs::write(&file, "\n").unwrap();
        assert!(Captcha::new("http://127.0.0.1:9", &file, "", "").is_err());
    }
}
