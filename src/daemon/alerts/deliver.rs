//! Delivers notices: one after the other for each channel, again and later where it fails.

use std::process::Stdio;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::Alerts;
use super::notice::Notice;
use crate::daemon::config::Channel;
use crate::daemon::probes::plain;

/// How long the second attempt waits; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Delivers what waits for a channel, and what comes, until it is dropped.
pub(in crate::daemon) async fn deliver_always(
    alerts: Alerts,
    name: String,
    channel: Channel,
    client: Client,
) {
    loop {
        let (notice, attempts) = alerts.next_for(&name).await;
        tokio::time::sleep(pause(attempts)).await;
        let attempt = tokio::time::timeout(channel.timeout.0, attempt(&channel, &client, &notice)).await;
        let delivered = attempt
            .unwrap_or_else(|_| Err(format!("no end within {} s", channel.timeout.0.as_secs_f64()).into()));
        match delivered {
            Ok(()) => {
                tracing::info!(channel = %name, alert = %notice.alert, kind = ?notice.kind, "told");
                let (alerts, name) = (alerts.clone(), name.clone());
                keep(move || alerts.delivered(&name, &notice.id)).await;
            }
            Err(Failure { problem, refused }) => {
                tracing::warn!(channel = %name, alert = %notice.alert, %problem, "cannot tell");
                let (alerts, name, retry_for) = (alerts.clone(), name.clone(), channel.retry_for.0);
                keep(move || alerts.not_delivered(&name, &notice, refused, retry_for)).await;
            }
        }
    }
}

/// Writes down what has become of a notice: not on a thread that others wait for.
async fn keep(writes: impl FnOnce() + Send + 'static) {
    let _ = tokio::task::spawn_blocking(writes).await;
}

fn pause(attempts: u32) -> Duration {
    match attempts {
        0 => Duration::ZERO,
        more => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(16)).min(LONGEST_PAUSE),
    }
}

/// How long a notice has waited in the pauses between so many attempts.
pub(super) fn waited(attempts: u32) -> Duration {
    (0..=attempts).map(pause).sum()
}

/// Why an attempt failed.
#[derive(Debug, PartialEq)]
struct Failure {
    problem: String,
    /// Whether it would fail again, however often: what comes after it must not wait for it.
    refused: bool,
}

impl From<String> for Failure {
    fn from(problem: String) -> Failure {
        Failure { problem, refused: false }
    }
}

impl From<&str> for Failure {
    fn from(problem: &str) -> Failure {
        problem.to_owned().into()
    }
}

/// Who delivers to webhooks: where it is sent elsewhere, a POST may become a GET without the notice, so it goes nowhere else.
pub(in crate::daemon) fn client(builder: ClientBuilder) -> reqwest::Result<Client> {
    builder.redirect(Policy::none()).build()
}

/// Whether a notice that is answered so was taken.
fn heard(status: StatusCode) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let later =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    Err(Failure { problem: format!("answered {status}"), refused: status.is_client_error() && !later })
}

async fn attempt(channel: &Channel, client: &Client, notice: &Notice) -> Result<(), Failure> {
    let body = serde_json::to_vec(notice).map_err(|error| error.to_string())?;
    if let Some(address) = &channel.webhook {
        let mut request = client.post(address).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &channel.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.0));
        }
        let answer = request.body(body).send().await.map_err(|error| plain(&error))?;
        return heard(answer.status());
    }
    let mut command = match (&channel.command, &channel.shell) {
        (Some(words), _) => {
            let mut command = Command::new(words.first().ok_or("there is no command")?);
            command.args(&words[1..]);
            command
        }
        (None, Some(line)) => {
            let mut command = Command::new("sh");
            command.args(["-c", line]);
            command
        }
        (None, None) => return Err("there is nobody to tell".into()),
    };
    // What it says goes where this process says things.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // Dropped before the child is: until then the number is its own.
    #[cfg(unix)]
    let mut group = Group::of(&child);
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read is not told worse for it.
        let _ = stdin.write_all(&body).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    #[cfg(unix)]
    group.leave();
    if status.success() { Ok(()) } else { Err(format!("ended with {status}").into()) }
}

/// A command and all that it has started: what it leaves behind when it ends is its own affair, but of one that takes too long
/// nothing stays.
#[cfg(unix)]
struct Group(Option<nix::unistd::Pid>);

#[cfg(unix)]
impl Group {
    fn of(leader: &tokio::process::Child) -> Group {
        let number = leader.id().and_then(|number| i32::try_from(number).ok());
        Group(number.map(nix::unistd::Pid::from_raw))
    }

    fn leave(&mut self) {
        self.0 = None;
    }
}

#[cfg(unix)]
impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_tried_again_and_what_is_sent_elsewhere_was_not_taken() {
        for (status, wanted) in [
            (200, None),
            (204, None),
            (301, Some(false)),
            (307, Some(false)),
            (400, Some(true)),
            (404, Some(true)),
            (408, Some(false)),
            (413, Some(true)),
            (425, Some(false)),
            (429, Some(false)),
            (500, Some(false)),
            (503, Some(false)),
        ] {
            let refused = heard(StatusCode::from_u16(status).unwrap()).err().map(|failure| failure.refused);
            assert_eq!(refused, wanted, "{status}");
        }
    }

    #[test]
    fn attempts_come_later_and_later_and_never_too_late() {
        let pauses = [0, 1, 2, 5, 11, 40].map(|attempts| pause(attempts).as_millis());
        assert_eq!(pauses, [0, 500, 1000, 8000, 300_000, 300_000]);
    }
}
