//! Delivers notices: one after the other for each channel, again and later where it fails.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
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
        let delivered =
            attempt.unwrap_or_else(|_| Err(format!("no end within {} s", channel.timeout.0.as_secs_f64())));
        match delivered {
            Ok(()) => {
                tracing::info!(channel = %name, alert = %notice.alert, kind = ?notice.kind, "told");
                alerts.delivered(&name, &notice.id);
            }
            Err(problem) => {
                tracing::warn!(channel = %name, alert = %notice.alert, %problem, "cannot tell");
                alerts.not_delivered(&name, &notice, channel.retry_for.0);
            }
        }
    }
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

async fn attempt(channel: &Channel, client: &Client, notice: &Notice) -> Result<(), String> {
    let body = serde_json::to_vec(notice).map_err(|error| error.to_string())?;
    if let Some(address) = &channel.webhook {
        let mut request = client.post(address).header(CONTENT_TYPE, "application/json");
        if let Some(token) = &channel.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.0));
        }
        let answer = request.body(body).send().await.map_err(|error| plain(&error))?;
        return match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("answered {status}")),
        };
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
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read is not told worse for it.
        let _ = stdin.write_all(&body).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_later_and_later_and_never_too_late() {
        let pauses = [0, 1, 2, 5, 11, 40].map(|attempts| pause(attempts).as_millis());
        assert_eq!(pauses, [0, 500, 1000, 8000, 300_000, 300_000]);
    }
}
