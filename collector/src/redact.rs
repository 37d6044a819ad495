//! Secrets are taken out before anything is written.
//!
//! A secret becomes `redacted:` and 8 hex digits of its HMAC-SHA256: the same secret is the same token in every
//! recording of this machine, and nobody without the key can try out what it was. The key lies outside of recordings.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hmac::{Hmac, Mac};
use regex::{Captures, Regex};
use serde_json::Value;
use sha2::Sha256;

/// What is taken out, as `run.json` says it.
pub const RULES: [&str; 9] = [
    "authorization, cookie and key-like headers",
    "WebSocket subprotocols that are no names of protocols",
    "URL userinfo, query values and what follows `#`",
    "RTMP path segments other than the scenario's own",
    "values of Socket.IO auth",
    "environment values",
    "key-like words of command lines",
    "key-like strings in log lines and polled bodies",
    "JSON fields named like secrets",
];

/// A file of secrets' key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{doing} the redaction key {} (it must be readable by you alone; XDG_STATE_HOME moves it)", path.display())]
pub struct KeyError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

/// Takes secrets out of what is about to be recorded.
pub struct Redactor {
    key: Vec<u8>,
    literals: BTreeSet<String>,
}

impl Redactor {
    /// A redactor with the key of this machine, which is made where there is none. `literals` are the path segments
    /// that are no secrets: those that the scenario itself spells, and the stream's name.
    ///
    /// # Errors
    /// [`KeyError`] where the key can be neither read nor made.
    pub fn open(literals: impl IntoIterator<Item = String>) -> Result<Redactor, KeyError> {
        let path = key_path();
        let wrong = |doing| {
            let path = path.clone();
            move |source| KeyError { doing, path, source }
        };
        let key = match fs::read(&path) {
            Ok(key) if key.len() >= 32 => key,
            Ok(_) => make_key(&path).map_err(wrong("make"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => make_key(&path).map_err(wrong("make"))?,
            Err(error) => return Err(wrong("read")(error)),
        };
        Ok(Redactor::with_key(key, literals))
    }

    /// A redactor with a key of the caller's.
    pub fn with_key(key: Vec<u8>, literals: impl IntoIterator<Item = String>) -> Redactor {
        Redactor { key, literals: literals.into_iter().collect() }
    }

    /// What stands in a secret's place.
    pub fn token(&self, secret: &str) -> String {
        if secret.is_empty() || is_token(secret) {
            return secret.to_owned();
        }
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return "redacted:00000000".to_owned();
        };
        mac.update(secret.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("redacted:{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
    }

    /// A URL without userinfo and query values; of `rtmp` and the like, also without unknown path segments.
    pub fn url(&self, url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("://") else {
            return self.target(url);
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let authority = match authority.rsplit_once('@') {
            Some((userinfo, host)) => format!("{}@{host}", self.token(userinfo)),
            None => authority.to_owned(),
        };
        let path = self.target(path);
        let path = if scheme.starts_with("rtmp") || scheme.starts_with("rtsp") || scheme == "srt" {
            self.segments(&path)
        } else {
            path
        };
        format!("{scheme}://{authority}{path}")
    }

    /// The target of a request: path, and query without its values. What Engine.IO itself puts there stays.
    pub fn target(&self, target: &str) -> String {
        let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        if target.split_once("://").is_some_and(|(scheme, _)| !scheme.is_empty() && is_scheme(scheme)) {
            return self.url(target);
        }
        if let Some((target, anchor)) = target.split_once('#') {
            return format!("{}#{}", self.target(target), self.token(anchor));
        }
        let Some((path, query)) = target.split_once('?') else {
            return target.to_owned();
        };
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some(("EIO" | "transport" | "sid" | "t" | "b64", _)) => pair.to_owned(),
                Some((name, value)) => format!("{name}={}", self.token(value)),
                None => pair.to_owned(),
            })
            .collect();
        format!("{path}?{}", pairs.join("&"))
    }

    fn segments(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let known = |part: &str| if self.literals.contains(part) { part.to_owned() } else { self.token(part) };
        let path = path.split('/').map(known).collect::<Vec<_>>().join("/");
        query.map_or(path.clone(), |query| format!("{path}?{query}"))
    }

    /// A JSON object of headers, in place.
    pub fn headers(&self, headers: &mut Value) {
        for (name, value) in headers.as_object_mut().into_iter().flatten() {
            if is_secret_name(name) {
                self.all_strings(value);
            } else if let Value::String(text) = value {
                match name.to_ascii_lowercase().as_str() {
                    "referer" | "location" | "origin" => *text = self.url(text),
                    "sec-websocket-protocol" => *text = self.subprotocols(text),
                    _ => {}
                }
            }
        }
    }

    /// A list of WebSocket subprotocols. Browsers can set no other header of a WebSocket, so tokens are found here:
    /// behind a word like `bearer`, as in `bearer, TOKEN`, and wherever one is longer or more random than a name.
    fn subprotocols(&self, list: &str) -> String {
        let mut behind_word = false;
        let one = |protocol: &str| {
            let protocol = protocol.trim();
            let is_word = ["bearer", "basic"].contains(&protocol.to_ascii_lowercase().as_str())
                || is_secret_name(protocol) && protocol.len() <= 24;
            let hide = behind_word || !is_word && !is_protocol_name(protocol);
            behind_word = is_word;
            if hide { self.token(protocol) } else { protocol.to_owned() }
        };
        list.split(',').map(one).collect::<Vec<_>>().join(", ")
    }

    /// A JSON value whose fields named like secrets lose their values, in place.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if is_secret_name(name) { self.all_strings(value) } else { self.json(value) }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item)),
            Value::String(text) if text.contains("://") => *text = self.text(text),
            _ => {}
        }
    }

    /// Every string and number in a JSON value, in place.
    pub fn all_strings(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.token(text),
            Value::Number(number) => *value = Value::String(self.token(&number.to_string())),
            Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| self.all_strings(value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.all_strings(item)),
            _ => {}
        }
    }

    /// A value under a name that a person gave it: a parameter, a label.
    pub fn named(&self, name: &str, value: &str) -> String {
        if is_secret_name(name) { self.token(value) } else { self.text(value) }
    }

    /// Lists and objects behind key-like words, where they hold a string.
    fn nested(&self, text: &str) -> String {
        let (mut done, mut rest) = (String::new(), text);
        while let Some(found) = NESTED.find(rest) {
            // The bracket is the last byte of what was found.
            let (before, from) = rest.split_at(found.end() - 1);
            let (nested, behind) = from.split_at(nested_length(from));
            done += before;
            done += &if nested.contains('"') { self.token(nested) } else { nested.to_owned() };
            rest = behind;
        }
        done + rest
    }

    /// Free text: log lines, bodies, command lines. Key-like words lose what follows them, URLs their userinfo, query
    /// values and unknown stream keys.
    pub fn text(&self, text: &str) -> String {
        if !may_hold_secret(text) {
            return text.to_owned();
        }
        let text = URL.replace_all(text, |found: &Captures| {
            // What ends a sentence is not part of the URL in it.
            let url = found[0].trim_end_matches([':', ',', ';', '.', ')', ']']);
            format!("{}{}", self.url(url), &found[0][url.len()..])
        });
        let text = BEARER.replace_all(&text, |found: &Captures| format!("{} {}", &found[1], self.token(&found[2])));
        let text = HEADER.replace_all(&text, |found: &Captures| {
            format!("{}{}{}", &found[1], &found[2], self.token(found[3].trim()))
        });
        let keep_name = |found: &Captures| {
            let secret = &found[3];
            let quote = secret.chars().next().filter(|c| matches!(c, '"' | '\'')).map_or("", |_| &secret[..1]);
            let bare = secret.trim_matches(['"', '\'']);
            format!("{}{}{quote}{}{quote}", &found[1], &found[2], self.token(bare))
        };
        let text = KEY_VALUE.replace_all(&text, keep_name);
        let text = self.nested(&text);
        FLAG.replace_all(&text, keep_name).into_owned()
    }
}

/// Whether it could be registered as one: `mqtt`, `v12.stomp`, `graphql-transport-ws`.
fn is_protocol_name(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has_word = ["bearer", "auth", "basic", "token", "jwt", "secret", "key"].iter().any(|word| lower.contains(word));
    let is_random = |part: &str| {
        let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
        part.len() > 16 || part.len() > 8 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    };
    text.len() <= 40 && !has_word && !text.split(['.', '-', '_', '+', '/', ':']).any(is_random)
}

/// Bytes of the list or object that a text begins with; all of it where it is cut off.
fn nested_length(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

static URL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>\\]+"#));
static BEARER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})"));
static KEY_VALUE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r#"(?i)([a-z0-9_-]*{SECRET_WORDS}[a-z0-9_-]*)(\\*["']?\s*[=:]\s*\\*)("(?:[^"\\]|\\.)*(?:"|\\?$)|'[^']*'|[^\s"'&,;}}\[{{]{{4,}})"#
    ))
});
static NESTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"(?i)[a-z0-9_-]*{SECRET_WORDS}[a-z0-9_-]*\\*["']?\s*[=:]\s*[\[{{]"#)));
static HEADER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)("?\s*[:=]\s*"?)([^\r\n"']+)"#));
static FLAG: LazyLock<Regex> =
    LazyLock::new(|| pattern(&format!(r#"(?i)(--?[a-z0-9-]*{SECRET_WORDS}[a-z0-9-]*)(\s+["']?)([^\s"']{{4,}})"#)));
const SECRET_WORDS: &str = "(?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential\
    |passphrase|\\bjwt|\\bpwd|stream[_-]?key)";

#[expect(clippy::expect_used, reason = "the patterns are literals, compiled by the tests below")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a literal pattern compiles")
}

/// A cheap look before the patterns run: most lines hold nothing of the kind.
fn may_hold_secret(text: &str) -> bool {
    if text.contains("://") {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    ["pass", "secret", "token", "key", "credential", "authorization", "cookie", "bearer ", "basic ", "jwt", "pwd"]
        .iter()
        .any(|word| lower.contains(word))
}

fn is_token(text: &str) -> bool {
    text.strip_prefix("redacted:").is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a field or header of that name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name: String = name.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    matches!(name.as_str(), "auth" | "jwt" | "pwd" | "cookie" | "setcookie" | "session" | "sessiontoken")
        || ["password", "passwd", "secret", "token", "apikey", "accesskey", "privatekey", "credential", "authorization"]
            .iter()
            .any(|word| name.contains(word))
}

fn key_path() -> PathBuf {
    crate::folder::state().join("redaction.key")
}

fn make_key(path: &Path) -> std::io::Result<Vec<u8>> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut key = vec![0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&key)?;
    file.sync_all()?;
    // A second collector may have been faster: whichever key is there first stays.
    match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::remove_file(&temporary)?,
    }
    fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        Redactor::with_key(vec![7; 32], ["live", "in", "out", "s1"].map(str::to_owned))
    }

    #[test]
    fn urls_lose_userinfo_query_values_and_stream_keys() {
        let redactor = redactor();
        let url = redactor.url("rtmp://user:pw@host:1935/live/hunter2/in?key=abcd");
        for secret in ["user", "pw@", "hunter2", "abcd"] {
            assert!(!url.contains(secret), "{url}");
        }
        assert!(url.starts_with("rtmp://redacted:") && url.contains("/live/redacted:") && url.contains("/in?key="));
        let target = redactor.target("http://u:hunter2@h/x?y=hunter2#z=hunter2");
        assert!(target.starts_with("http://redacted:") && !target.contains("hunter2"), "{target}");
        let target = redactor.target("/x?next=http://h/hunter2#hunter2");
        assert!(target.starts_with("/x?next=redacted:") && !target.contains("hunter2"), "{target}");
        assert_eq!(redactor.url("rtmp://h/live/s1/in"), "rtmp://h/live/s1/in");
        assert_eq!(
            redactor.url("http://h/socket.io/?EIO=4&transport=polling"),
            "http://h/socket.io/?EIO=4&transport=polling"
        );
    }

    #[test]
    fn the_same_secret_is_the_same_token_and_a_token_stays() {
        let redactor = redactor();
        let token = redactor.token("hunter2");
        assert_eq!(token, redactor.token("hunter2"));
        assert_eq!(token, redactor.token(&token));
        assert_ne!(token, Redactor::with_key(vec![8; 32], []).token("hunter2"));
    }

    #[test]
    fn text_loses_what_follows_key_like_words() {
        let redactor = redactor();
        for line in [
            "password=hunter2",
            "API_KEY: hunter2",
            r#"{"access_token":"hunter2"}"#,
            "Authorization: Bearer hunter2hunter2",
            "--api-key hunter2",
            "get http://u:hunter2@h/x?sig=hunter2",
            "publishing rtmp://h/live/hunter2/in",
            "STREAM_KEY=hunter2 next",
            "Authorization: Token hunter2abc",
            "Cookie: a=b; session=hunter2",
            r#"{"password":"correct hunter2 battery"}"#,
            r#"{"jwt":"hunter2.x.y"}"#,
            r#"42["login",{"password":"cut off hunter2"#,
            r#"{"line":"{\"api_key\":\"hunter2 hunter2\"}"}"#,
            "at http://h/x#access=hunter2",
            r#"{"client_secret":{"x":["hunter2",{"y":"a \"}] hunter2"}]},"z":1}"#,
            r#"{"client_secret":["x","hunter2"#,
            "passphrase='the hunter2'",
        ] {
            let redacted = redactor.text(line);
            assert!(!redacted.contains("hunter2"), "{redacted}");
        }
        for plain in [
            "loaded 3 models in 2.5 s",
            "the tokenizer from disk was ready",
            "a key frame at 2.0",
            "tokens: [1, 2, 3]",
            "rtmp://h/live/s1/in: refused",
        ] {
            assert_eq!(redactor.text(plain), plain);
        }
    }

    #[test]
    fn json_loses_fields_named_like_secrets() {
        let mut value = json!([{"Token": "a", "nested": {"client_secret": {"x": ["b", 17]}}, "text": "c"}]);
        redactor().json(&mut value);
        let text = value.to_string();
        assert!(!text.contains("\"a\"") && !text.contains("\"b\"") && !text.contains("17"), "{text}");
        assert!(text.contains("\"text\":\"c\""));
    }

    #[test]
    fn headers_lose_authorization_and_cookies() {
        let mut headers = json!({"Authorization": "Bearer x", "cookie": "a=b", "X-Api-Key": "k", "accept": "*/*"});
        redactor().headers(&mut headers);
        let text = headers.to_string();
        assert!(!text.contains("Bearer") && !text.contains("a=b") && !text.contains("\"k\""), "{text}");
        assert!(text.contains("\"*/*\""));
    }

    #[test]
    fn subprotocols_that_are_tokens_are_hidden() {
        let subprotocols = |list: &str| {
            let mut headers = json!({"Sec-WebSocket-Protocol": list});
            redactor().headers(&mut headers);
            headers["Sec-WebSocket-Protocol"].as_str().unwrap().to_owned()
        };
        for name in ["chat", "mqtt, v12.stomp", "graphql-transport-ws", "wamp.2.json", "soap, ocpp1.6", "binary.k8s.io"]
        {
            assert_eq!(subprotocols(name), name);
        }
        for list in [
            "chat, Bearer.hunter2",
            "bearer, hunter2",
            "access_token, hunter2",
            "base64url.bearer.authorization.k8s.io.aHVudGVyMg-hunter2",
            "aHVudGVyMhunter2",
            "chat, eyJhbGciOi.hunter2hunter2hunter2.x",
        ] {
            let found = subprotocols(list);
            assert!(!found.contains("hunter2") && found.contains("redacted:"), "{found}");
        }
    }
}
