//! Objects that a URL names: in S3, Google Cloud Storage, Azure, or behind WebDAV.
//!
//! An [`ObjectUrl`] is a checked address with the means to get there; an [`Upload`] writes to it. To add a store: an arm in
//! [`ObjectUrl::open`], and what is to be said of it in [`Kind`].

mod problem;
mod upload;

pub use upload::Upload;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, HeaderMap, HeaderValue, ObjectStore, ObjectStoreScheme, RetryConfig,
};
use reqwest::Url;

use crate::error::{Error, Result};

/// Asks whether the work is to end: seldom, and from any thread.
pub type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a server is given to be reached, and to do all that one request asks of it.
const CONNECT: &str = "5s";
const REQUEST: &str = "300s";
/// How often and how long a request that failed is tried again.
const TRIES: usize = 3;
const TRYING: Duration = Duration::from_secs(30);
/// The variable with the value of the header by which an HTTP server knows who writes.
const HTTP_AUTHORIZATION: &str = "PINQL_HTTP_AUTHORIZATION";
/// In the names of variables, what makes their values secrets.
const SECRET: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "SAS", "AUTHORIZATION"];

/// An object by its URL.
#[derive(Clone)]
pub struct ObjectUrl {
    url: String,
    kind: Kind,
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Whether the variables say who writes.
    told: bool,
    secrets: Secrets,
}

/// What kind of store a URL is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    S3,
    Google,
    Azure,
    Http,
}

/// Values of variables that no message may show.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl ObjectUrl {
    /// Whether a text names an object and no file.
    pub fn is_url(text: &str) -> bool {
        let Some((scheme, _)) = text.split_once("://") else { return false };
        // One letter is a drive.
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    }

    /// Finds the store that a URL names. `variables` are those of the environment, which say who writes; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Url`] if it is no address of an object, or what must be known of its store is in no variable.
    pub fn open(text: &str, variables: &[(String, String)]) -> Result<ObjectUrl> {
        let wrong = |problem: &str, hint: &str| Error::Url {
            url: without_secrets(text),
            problem: problem.into(),
            hint: hint.into(),
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let Some(kind) = Kind::of(scheme) else {
            let hint = match scheme {
                "file" => "leave out file://: a file is named by its path",
                _ => "known are s3://, gs://, az://, abfs://, abfss://, http:// and https://",
            };
            return Err(wrong(&format!("`{scheme}://` is no kind of store that pinql writes to"), hint));
        };
        let (place, key) = rest.split_once('/').unwrap_or((rest, ""));
        if place.is_empty() || key.trim_matches('/').is_empty() || key.ends_with('/') {
            return Err(wrong("it names no object", kind.example()));
        }
        if place.contains('@') && !names_account(scheme, place) {
            return Err(wrong("who writes does not stand in the URL", kind.credentials()));
        }
        if rest.contains('?') || place.contains('#') || kind == Kind::Http && key.contains('#') {
            let hint = match kind {
                Kind::Http => "write it as %3F or %23 if it is; a signature does not stand in the URL",
                _ => "choose a name without it; a signature does not stand in the URL",
            };
            return Err(wrong("it has a `?` or `#`, which is no part of a name", hint));
        }
        // Without that, the library would look for what people have in their home directories.
        if kind == Kind::Google && !kind.is_told(variables) {
            return Err(wrong("nothing says who writes", kind.credentials()));
        }
        let bad_name = |error: object_store::path::Error| {
            wrong(&format!("its name cannot be one of an object: {error}"), kind.example())
        };
        let secrets = Secrets::among(variables);
        let (kind, store, path) = if kind == Kind::Http {
            let url = Url::parse(text).map_err(|error| wrong(&error.to_string(), kind.example()))?;
            // Some stores are known by their hosts.
            let parsed = ObjectStoreScheme::parse(&url);
            let (scheme, path) = parsed.map_err(|error| wrong(&error.to_string(), kind.example()))?;
            let kind = match scheme {
                ObjectStoreScheme::AmazonS3 => Kind::S3,
                ObjectStoreScheme::MicrosoftAzure => Kind::Azure,
                _ => Kind::Http,
            };
            (kind, kind.store(text, variables), path)
        } else {
            // A key is taken as it stands: a `%` is a `%`.
            (
                kind,
                kind.store(&format!("{scheme}://{place}/"), variables),
                Path::parse(key).map_err(bad_name)?,
            )
        };
        let store = store.map_err(|error| {
            let problem = format!("there is no way to it: {}", secrets.hide(&problem::innermost(&error)));
            wrong(&problem, kind.credentials())
        })?;
        Ok(ObjectUrl { url: text.into(), kind, store, path, told: kind.is_told(variables), secrets })
    }

    /// Starts to write it. Some stores are asked at once whether they allow it, and not after all has been computed.
    ///
    /// # Errors
    /// [`Error::Write`]
    pub fn upload(&self, stop: Stop) -> Result<Upload> {
        Upload::begin(self.clone(), stop)
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store could show what it knows.
        f.debug_tuple("ObjectUrl").field(&self.url).finish()
    }
}

impl PartialEq for ObjectUrl {
    fn eq(&self, other: &ObjectUrl) -> bool {
        self.url == other.url
    }
}

impl Eq for ObjectUrl {}

impl Kind {
    fn of(scheme: &str) -> Option<Kind> {
        Some(match scheme {
            "s3" | "s3a" => Kind::S3,
            "gs" => Kind::Google,
            "az" | "adl" | "azure" | "abfs" | "abfss" => Kind::Azure,
            "http" | "https" => Kind::Http,
            _ => return None,
        })
    }

    fn example(self) -> &'static str {
        match self {
            Kind::S3 => "write s3://BUCKET/NAME",
            Kind::Google => "write gs://BUCKET/NAME",
            Kind::Azure => {
                "write az://CONTAINER/NAME, or abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/NAME"
            }
            Kind::Http => "write https://HOST/NAME",
        }
    }

    /// What says who writes.
    pub(crate) fn credentials(self) -> &'static str {
        match self {
            Kind::S3 => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with AWS_SESSION_TOKEN if they are temporary, and \
                 AWS_REGION; AWS_ENDPOINT_URL for another store than Amazon's. Profiles of ~/.aws are not read: \
                 `aws configure export-credentials --format env` gives the variables"
            }
            Kind::Google => {
                "set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to the file of an account's key"
            }
            Kind::Azure => {
                "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_KEY, or \
                 AZURE_STORAGE_CLIENT_ID with _CLIENT_SECRET and _TENANT_ID"
            }
            Kind::Http => "set PINQL_HTTP_AUTHORIZATION to the value of the header, such as `Bearer …`",
        }
    }

    /// Whether the variables say who writes; if not, what is left are the services that clouds have for their own machines.
    fn is_told(self, variables: &[(String, String)]) -> bool {
        let prefix = match self {
            Kind::S3 => {
                ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS"].as_slice()
            }
            Kind::Google => {
                let account = |key: GoogleConfigKey| {
                    use GoogleConfigKey::{ApplicationCredentials, ServiceAccount, ServiceAccountKey};
                    matches!(key, ApplicationCredentials | ServiceAccount | ServiceAccountKey)
                };
                return variables.iter().any(|(name, _)| name == "SERVICE_ACCOUNT")
                    || known("GOOGLE_", variables).any(|(key, _)| account(key));
            }
            Kind::Azure => &["AZURE_"],
            Kind::Http => return true,
        };
        variables.iter().any(|(name, _)| prefix.iter().any(|prefix| name.starts_with(prefix)))
    }

    fn store(self, url: &str, variables: &[(String, String)]) -> object_store::Result<Arc<dyn ObjectStore>> {
        // What runs no cloud's machine waits for nothing but an answer that never comes.
        let tries = if self.is_told(variables) { TRIES } else { 1 };
        let retry = RetryConfig { max_retries: tries, retry_timeout: TRYING, ..RetryConfig::default() };
        let plain = ["ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3"].iter().any(|end| {
            let named =
                |(name, value): &(String, String)| name.ends_with(end) && value.starts_with("http://");
            variables.iter().any(named)
        });
        let mut client =
            vec![(ClientConfigKey::Timeout, REQUEST), (ClientConfigKey::ConnectTimeout, CONNECT)];
        if plain {
            client.push((ClientConfigKey::AllowHttp, "true"));
        }
        Ok(match self {
            Kind::S3 => {
                let mut builder = AmazonS3Builder::new().with_url(url).with_retry(retry);
                for (key, value) in client {
                    builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
                }
                for (key, value) in known::<AmazonS3ConfigKey>("AWS_", variables) {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build()?)
            }
            Kind::Google => {
                let mut builder = GoogleCloudStorageBuilder::new().with_url(url).with_retry(retry);
                for (key, value) in client {
                    builder = builder.with_config(GoogleConfigKey::Client(key), value);
                }
                let plain = variables.iter().filter(|(name, _)| name == "SERVICE_ACCOUNT");
                for (_, path) in plain {
                    builder = builder.with_service_account_path(path);
                }
                for (key, value) in known::<GoogleConfigKey>("GOOGLE_", variables) {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build()?)
            }
            Kind::Azure => {
                let mut builder = MicrosoftAzureBuilder::new().with_url(url).with_retry(retry);
                for (key, value) in client {
                    builder = builder.with_config(AzureConfigKey::Client(key), value);
                }
                for (key, value) in known::<AzureConfigKey>("AZURE_", variables) {
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build()?)
            }
            Kind::Http => {
                let host = Url::parse(url).map(|url| format!("{}://{}", url.scheme(), url.authority()));
                let mut options = ClientOptions::new().with_allow_http(true);
                for (key, value) in client {
                    options = options.with_config(key, value);
                }
                let authorization = variables.iter().find(|(name, _)| name == HTTP_AUTHORIZATION);
                if let Some((_, value)) = authorization {
                    let generic = |source| object_store::Error::Generic { store: "HTTP", source };
                    let mut value = HeaderValue::from_str(value).map_err(|_| {
                        generic(format!("{HTTP_AUTHORIZATION} is no value of a header").into())
                    })?;
                    value.set_sensitive(true);
                    options = options.with_default_headers(HeaderMap::from_iter([(
                        reqwest::header::AUTHORIZATION,
                        value,
                    )]));
                }
                let builder =
                    HttpBuilder::new().with_url(host.unwrap_or_default()).with_client_options(options);
                Arc::new(builder.with_retry(retry).build()?)
            }
        })
    }
}

/// The variables that a store knows.
fn known<K: FromStr>(prefix: &str, variables: &[(String, String)]) -> impl Iterator<Item = (K, String)> {
    variables
        .iter()
        .filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())))
}

impl Secrets {
    fn among(variables: &[(String, String)]) -> Secrets {
        let is_secret = |(name, value): &&(String, String)| {
            SECRET.iter().any(|word| name.contains(word)) && value.len() > 3 && !name.ends_with("_FILE")
        };
        let mut secrets: Vec<String> =
            variables.iter().filter(is_secret).map(|(_, value)| value.clone()).collect();
        // One that holds another goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Secrets(secrets)
    }

    /// The text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Whether what stands before the `@` is a container, as in `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net`.
fn names_account(scheme: &str, place: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.$".contains(c);
    place.split_once('@').is_some_and(|(container, account)| {
        matches!(scheme, "abfs" | "abfss")
            && container.chars().all(is_name)
            && account.contains('.')
            && !account.contains('@')
    })
}

/// A URL without what may be a secret: what stands before the last `@`, and all from a `?` or `#` on.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let cut = rest.find(['?', '#']);
    let (shown, more) = match cut {
        Some(at) => (&rest[..at], format!("{}…", &rest[at..=at])),
        None => (rest, String::new()),
    };
    match rest.rfind('@') {
        // A password or a signature, and which of both nobody knows.
        Some(at) if at >= shown.len() => format!("{scheme}://***"),
        Some(at) if !names_account(scheme, shown.split('/').next().unwrap_or_default()) => {
            format!("{scheme}://***{}{more}", &shown[at..])
        }
        _ => format!("{scheme}://{shown}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        for (url, shown) in [
            (
                "https://a.blob.core.windows.net/c/x.csv?sv=1&sig=S",
                "https://a.blob.core.windows.net/c/x.csv?…",
            ),
            ("https://host/x#S", "https://host/x#…"),
            ("https://S@host/x", "https://***@host/x"),
            ("https://u:S/S@host/x", "https://***@host/x"),
            ("https://u:S?S@host/x", "https://***"),
            ("https://host/x?sig=S&to=me@S", "https://***"),
            ("https://u:S@host/x?S", "https://***@host/x?…"),
            ("abfss://box@account.dfs.core.windows.net/x", "abfss://box@account.dfs.core.windows.net/x"),
            ("abfss://u:S@account.dfs.core.windows.net/x", "abfss://***@account.dfs.core.windows.net/x"),
            ("abfss://box@account.dfs.core.windows.net/x?S", "abfss://box@account.dfs.core.windows.net/x?…"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }

    #[test]
    fn a_question_mark_is_no_part_of_a_name_and_nobody_is_no_writer() {
        for url in
            ["s3://b/x?S", "gs://b/x?S", "az://c/x?S", "abfss://c@a.dfs.core.windows.net/x?S", "s3://b?S/x"]
        {
            let error = ObjectUrl::open(url, &[]).unwrap_err().to_string();
            assert!(error.contains("it has a `?`") && !error.contains('S'), "{error}");
        }
        for variables in [&[][..], &[("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), String::new())]] {
            let error = ObjectUrl::open("gs://b/x", variables).unwrap_err().to_string();
            assert!(error.contains("nothing says who writes"), "{error}");
        }
    }
}
