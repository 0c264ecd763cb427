//! Texts of other tools without the secrets that they may hold: nothing of a configuration is shown that could open a door.

/// Words in the names of what is secret.
const SECRETS: [&str; 9] =
    ["token", "secret", "passw", "pwd", "api_key", "apikey", "api-key", "access_key", "credential"];
/// Words that a secret follows without another sign.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// What stands for what is left out.
const HIDDEN: &str = "…";

/// The address of a service: scheme, host and port. A path on the local disk and a multiaddress are taken as they are; what is
/// none of these is not shown at all.
pub fn endpoint(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('/') && !text.contains(['@', '?', '#']) {
        return Some(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_alphanumeric() || more.contains(c));
    (plain(scheme, "+-.") && plain(host, "-.:[]_") && !host.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// A sentence without what stands behind `user:…@` and `?` in its addresses, behind words such as `token=`, and behind
/// `Bearer`.
pub fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut hide_next = false;
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let space = &word[bare.len()..];
        let low = bare.to_lowercase();
        let named = SECRETS.iter().any(|secret| low.contains(secret)) || low.contains("authorization");
        match bare.find([':', '=']) {
            // It may itself be a value, as in `Authorization: Bearer …`.
            _ if hide_next && !bare.is_empty() && !is_scheme(&low) => {
                shown.push_str(HIDDEN);
                hide_next = false;
            }
            Some(at) if named && !bare.contains("://") => {
                shown.push_str(&bare[..=at]);
                match bare.len() > at + 1 {
                    true => shown.push_str(HIDDEN),
                    false => hide_next = true,
                }
            }
            _ => {
                shown.push_str(&without_parts(bare));
                hide_next |= is_scheme(&low);
            }
        }
        shown.push_str(space);
    }
    shown
}

fn is_scheme(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    SCHEMES.contains(&word)
}

/// An address without its user and what stands behind its `?`.
fn without_parts(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => rest[..end].to_owned(),
    };
    let path = &rest[end..];
    let path = match path.find(['?', '#']) {
        Some(at) => format!("{}{}{HIDDEN}", &path[..at], &path[at..=at]),
        None => path.to_owned(),
    };
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for (text, shown) in [
            (
                "https://user:pass@s3.example.org:9000/bucket?X-Amz-Signature=1",
                Some("https://s3.example.org:9000"),
            ),
            ("http://127.0.0.1:5001", Some("http://127.0.0.1:5001")),
            ("http://[::1]:5001/api/v0", Some("http://[::1]:5001")),
            ("https://a@b@host/x", Some("https://host")),
            ("/ip4/127.0.0.1/tcp/5001", Some("/ip4/127.0.0.1/tcp/5001")),
            ("/mnt/nas", Some("/mnt/nas")),
            ("/x?token=1", None),
            ("sk-secret", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn a_sentence_keeps_its_words_and_loses_its_secrets() {
        for (text, shown) in [
            ("connection refused", "connection refused"),
            ("GET https://u:hunter2@host/p?sig=hunter2 failed", "GET https://…@host/p?… failed"),
            ("401: token=hunter2 is wrong", "401: token=… is wrong"),
            ("api_key: hunter2", "api_key: …"),
            ("Authorization: Bearer hunter2 refused", "Authorization: Bearer … refused"),
            ("\"password\":\"hunter2\"", "\"password\":…"),
            ("bearer hunter2", "bearer …"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
