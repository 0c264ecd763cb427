//! The one daemon of a data directory: its lock, its number, and how others find it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::{DataDir, StagedFile, WriteLock, layout};

/// How often the lock is tried: who looks whether a daemon runs holds it for a moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// The right to be the daemon of a data directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Hold {
    dir: PathBuf,
    process: u32,
    lock: Arc<WriteLock>,
}

impl Hold {
    /// Takes it, and leaves the number of the process for others.
    ///
    /// # Errors
    /// [`Error::Running`] if another process has it, and if the daemon's directory cannot be written.
    pub fn take(data: &DataDir, process: u32) -> Result<Hold> {
        let dir = data.daemon();
        fs::create_dir_all(&dir).map_err(|source| Error::Write { path: dir.clone(), source })?;
        let lock = locked(&dir).map_err(|error| match error {
            Error::Locked { .. } => Error::Running {
                path: data.root().into(),
                pid: pid(&dir).map_or("?".into(), |pid| pid.to_string()),
            },
            error => error,
        })?;
        let hold = Hold { dir, process, lock: Arc::new(lock) };
        // What a killed one has left is not true of this one for a moment.
        for name in [layout::PID, layout::STATUS] {
            let path = hold.dir.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Write { path, source });
                }
                _ => {}
            }
        }
        let mark = mark(process).map_or(String::new(), |mark| format!("{mark}\n"));
        hold.write(layout::PID, format!("{process}\n{mark}").as_bytes())?;
        Ok(hold)
    }

    /// The daemon's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Looks whether the directory is still the one that was taken: if another has come in its place, another daemon may have that.
    ///
    /// # Errors
    /// [`Error::Ousted`] if it is not.
    pub async fn look(&self) -> Result<()> {
        let (lock, dir) = (Arc::clone(&self.lock), self.dir.clone());
        let is_held = tokio::task::spawn_blocking(move || lock.is_of(&dir)).await.unwrap_or(true);
        if is_held { Ok(()) } else { Err(Error::Ousted { path: self.dir.clone() }) }
    }

    /// Puts a file of the daemon in place, whole.
    ///
    /// # Errors
    /// If it cannot be written; the one before it is still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        put(&self.dir, name, bytes)
    }
}

/// The same for who knows that the directory is its own.
pub fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = dir.join(name);
    let mut staged = StagedFile::in_place_of(&path)?;
    staged.write_all(bytes).map_err(|source| Error::Write { path: path.clone(), source })?;
    staged.publish()
}

impl Drop for Hold {
    /// What is true only of a daemon that runs does not outlive it.
    fn drop(&mut self) {
        remove_words(&self.dir, self.process);
    }
}

fn locked(dir: &Path) -> Result<WriteLock> {
    for _ in 1..ATTEMPTS {
        match WriteLock::take(dir) {
            Err(Error::Locked { .. }) => sleep(PAUSE),
            taken => return taken,
        }
    }
    WriteLock::take(dir)
}

/// Removes what is true only of a daemon that runs, in the place of one that hangs and is about to end with its process.
pub fn leave(root: &Path, process: u32) {
    let Ok(data) = DataDir::open(root) else { return };
    remove_words(&data.daemon(), process);
}

fn remove_words(dir: &Path, process: u32) {
    // Another daemon may have come in the place of one whose directory was removed.
    if pid(dir) != Some(process) {
        return;
    }
    for name in [layout::STATUS, layout::PID] {
        let _ = fs::remove_file(dir.join(name));
    }
}

/// The process of the daemon of a data directory; `None` if none runs. What a killed one has left is not believed.
pub fn running(data: &DataDir) -> Option<u32> {
    let dir = data.daemon();
    match WriteLock::take(&dir) {
        // It takes the lock before it writes its number.
        Err(Error::Locked { .. }) => (0..ATTEMPTS).find_map(|_| {
            let found = pid(&dir);
            if found.is_none() {
                sleep(PAUSE);
            }
            found
        }),
        _ => None,
    }
}

/// What a daemon that runs says of itself; `None` if none runs, or it has said nothing yet.
pub fn status(data: &DataDir) -> Option<serde_json::Value> {
    let process = running(data)?;
    let text = fs::read(data.daemon().join(layout::STATUS)).ok()?;
    let status: serde_json::Value = serde_json::from_slice(&text).ok()?;
    // One that a killed daemon has left is of another process.
    (status["pid"] == process).then_some(status)
}

fn pid(dir: &Path) -> Option<u32> {
    fs::read_to_string(dir.join(layout::PID)).ok()?.lines().next()?.trim().parse().ok()
}

/// Whether a process that [`running`] tells of is the daemon, as far as the system lets that be seen. It is not if the number
/// is one of another container or machine, or the system has given it to another process since.
pub fn is_daemon(data: &DataDir, process: u32) -> bool {
    let text = fs::read_to_string(data.daemon().join(layout::PID)).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(process.to_string().as_str()) && lines.next() == mark(process).as_deref()
}

/// What tells a process from others of its number: when it began, where numbers are given, and since when. `None` where that
/// cannot be seen.
fn mark(process: u32) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // The name before the `)` can be anything; the 22nd field is the 20th after it.
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let began = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    let numbers = fs::read_link("/proc/self/ns/pid").ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{began} {} {}", numbers.display(), boot.trim()).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_daemon_and_what_a_killed_one_left_is_not_believed() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(temp.path()).unwrap();
        assert_eq!(running(&data), None);
        let hold = Hold::take(&data, 42).unwrap();
        assert_eq!(running(&data), Some(42));
        assert_eq!(status(&data), None);
        hold.write(layout::STATUS, br#"{"pid": 41}"#).unwrap();
        assert_eq!(status(&data), None);
        hold.write(layout::STATUS, br#"{"pid": 42}"#).unwrap();
        assert_eq!(status(&data).unwrap()["pid"], 42);
        let error = Hold::take(&data, 43).unwrap_err().to_string();
        assert!(error.contains("already, process 42"), "{error}");
        let dir = data.daemon();
        drop(hold);
        assert!(!dir.join(layout::PID).exists());
        fs::write(dir.join(layout::PID), "1").unwrap();
        assert_eq!(running(&data), None);
        Hold::take(&data, 44).unwrap();
    }

    #[test]
    fn a_number_alone_does_not_make_a_process_the_daemon() {
        let temp = tempfile::tempdir().unwrap();
        let data = DataDir::open(temp.path()).unwrap();
        let own = std::process::id();
        let hold = Hold::take(&data, own).unwrap();
        assert!(is_daemon(&data, own));
        assert!(!is_daemon(&data, own + 1));
        hold.write(layout::PID, format!("{own}\n1 pid:[1] another\n").as_bytes()).unwrap();
        assert_eq!(running(&data), Some(own));
        assert!(!is_daemon(&data, own));
    }
}
