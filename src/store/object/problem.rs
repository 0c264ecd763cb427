//! What can be wrong with a store, in words.

use std::error::Error as Cause;
use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use super::{Kind, ObjectUrl, Secrets};
use crate::error::{Advised, Error};

/// The error of work that was told to stop.
pub(super) fn stopped() -> io::Error {
    io::Error::other(Error::Stopped)
}

/// What a store's error means.
pub(super) fn explained(error: &object_store::Error, object: &ObjectUrl) -> io::Error {
    let ObjectUrl { kind, told, secrets, .. } = object;
    let chain = chain(error);
    let text = chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let status = between(&text, "status code: ", ":").map(str::trim);
    let code = between(&text, "<Code>", "</Code>");
    let said = match (status, code) {
        (Some(status), Some(code)) => format!("{status}, {code}"),
        (Some(status), None) => status.to_owned(),
        (None, Some(code)) => code.to_owned(),
        (None, None) => String::new(),
    };
    let said = secrets.hide(&said);
    let number = status.and_then(|status| status.split(' ').next());
    // What was asked is the service that a cloud has for its own machines.
    if !told && status.is_none() {
        return Advised::error("nothing says who writes", kind.credentials());
    }
    match (number, code) {
        (_, Some("NoSuchBucket" | "ContainerNotFound")) => Advised::error(
            format!("there is no such bucket or container ({said})"),
            "make it, or look at its name",
        ),
        (Some("404"), _) => Advised::error(
            format!("the server does not find it ({said})"),
            "look at the URL and the endpoint",
        ),
        (Some("401" | "403"), _) => {
            Advised::error(format!("the server does not allow it ({said})"), kind.credentials())
        }
        (Some("301" | "307" | "400"), _) if *kind == Kind::S3 => Advised::error(
            format!("the server refused it ({said})"),
            "look at AWS_REGION and AWS_ENDPOINT_URL",
        ),
        (Some("405" | "501"), _) => Advised::error(
            format!("the server takes no objects ({said})"),
            "it has to take PUT, as WebDAV does",
        ),
        (Some(_), _) => Advised::error(format!("the server answered {said}"), "try again later"),
        (None, _) => unanswered(&chain, secrets),
    }
}

/// The words for a server that has not answered.
fn unanswered(chain: &[&(dyn Cause + 'static)], secrets: &Secrets) -> io::Error {
    let http = chain.iter().find_map(|cause| cause.downcast_ref::<HttpError>()).map(HttpError::kind);
    let innermost = chain.last().map(ToString::to_string).unwrap_or_default();
    let innermost = secrets.hide(&innermost);
    match http {
        Some(HttpErrorKind::Connect) => Advised::error(
            format!("the server cannot be reached: {innermost}"),
            "look at the URL, the endpoint and the network",
        ),
        Some(HttpErrorKind::Timeout) => {
            Advised::error("the server did not answer in time", "try again later")
        }
        Some(_) => Advised::error(format!("the connection broke: {innermost}"), "try again"),
        None => Advised::error(innermost, ""),
    }
}

/// The error and its causes, the innermost last.
fn chain(error: &object_store::Error) -> Vec<&(dyn Cause + 'static)> {
    std::iter::successors(Some(error as &(dyn Cause + 'static)), |&cause| cause.source()).collect()
}

/// The words of the innermost cause.
pub(super) fn innermost(error: &object_store::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.split_once(start)?.1;
    Some(rest.split_once(end).map_or(rest, |(inner, _)| inner))
}
