//! Amounts as people write them: `512MB`, `2GiB`, `50%`, `30s`, `1m30s`.

use std::time::Duration;

use sysinfo::{MemoryRefreshKind, Process, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// What `--memory-limit` asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MemoryLimit {
    /// No limit.
    None,
    /// So many bytes.
    Bytes(u64),
    /// A share of the memory that there is, in per cent.
    Share(f64),
}

impl Default for MemoryLimit {
    fn default() -> MemoryLimit {
        MemoryLimit::Share(60.0)
    }
}

impl MemoryLimit {
    /// Half of it, for each of two that work at once.
    pub fn half(self) -> Option<MemoryLimit> {
        Some(match self {
            MemoryLimit::None => MemoryLimit::None,
            MemoryLimit::Bytes(bytes) => MemoryLimit::Bytes(bytes / 2),
            MemoryLimit::Share(percent) => MemoryLimit::Share(percent / 2.0),
        })
    }

    /// The limit in bytes on this machine. A share of a memory of unknown size is no limit.
    pub fn bytes(self) -> Option<usize> {
        let bytes = match self {
            MemoryLimit::None => return None,
            MemoryLimit::Bytes(bytes) => bytes,
            MemoryLimit::Share(percent) => (memory_of_machine()? as f64 * percent / 100.0) as u64,
        };
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }
}

/// The memory that this process may use: the machine's, or less where a control group says so.
fn memory_of_machine() -> Option<u64> {
    let what = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let mut system = System::new_with_specifics(what).ok()?;
    let process = sysinfo::get_current_pid().ok()?;
    let only_this = ProcessesToUpdate::Some(&[process]);
    system.refresh_processes_specifics(only_this, false, ProcessRefreshKind::nothing().without_tasks());
    let groups = [system.cgroup_limits(), system.process(process).and_then(Process::cgroup_limits)];
    let limits = groups.into_iter().flatten().map(|group| group.total_memory);
    limits.chain([system.total_memory()]).filter(|memory| *memory > 0).min()
}

/// Reads `none`, `50%`, `512MB`, `2GiB`, `1048576`.
pub fn parse_memory_limit(text: &str) -> Result<MemoryLimit, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(MemoryLimit::None);
    }
    if let Some(percent) = text.strip_suffix('%') {
        return match percent.trim().parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 100.0 => Ok(MemoryLimit::Share(share)),
            _ => Err("a share is more than 0% and at most 100%".into()),
        };
    }
    parse_size(text).map(MemoryLimit::Bytes)
}

/// Reads a number of bytes with a unit: `KB` counts in thousands, `KiB` and `K` in 1024s.
fn parse_size(text: &str) -> Result<u64, String> {
    const WANTED: &str = "write a size such as 512MB, 2GiB or 50%, or `none`";
    let (number, unit) = split_unit(text).ok_or(WANTED)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return Err(WANTED.into()),
    };
    let bytes = number * factor as f64;
    match bytes {
        bytes if bytes < 1.0 => Err("a limit of nothing lets nothing run; write `none` for no limit".into()),
        bytes if bytes >= u64::MAX as f64 => Err("that is more than fits in 64 bits".into()),
        bytes => Ok(bytes as u64),
    }
}

/// Reads `500ms`, `30s`, `5m`, `2h`, and sums of them such as `1m30s`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const WANTED: &str = "write a time such as 500ms, 30s, 5m or 1h30m";
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_numeric(c)).unwrap_or(rest.len());
        let after = &rest[end..];
        let unit_end = after.find(is_numeric).unwrap_or(after.len());
        let number: f64 = rest[..end].parse().map_err(|_| WANTED)?;
        let seconds = match after[..unit_end].trim() {
            "ms" => number / 1000.0,
            "s" => number,
            "m" | "min" => number * 60.0,
            "h" => number * 3600.0,
            _ => return Err(WANTED.into()),
        };
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| WANTED)?;
        total = total.checked_add(part).ok_or(WANTED)?;
        rest = &after[unit_end..];
    }
    match total.is_zero() {
        true => Err(WANTED.into()),
        false => Ok(total),
    }
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

/// Parts a number from the unit behind it.
fn split_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !is_numeric(c)).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_limits_are_read_as_people_write_them() {
        for (text, limit) in [
            ("none", MemoryLimit::None),
            ("50%", MemoryLimit::Share(50.0)),
            ("512MB", MemoryLimit::Bytes(512_000_000)),
            ("2GiB", MemoryLimit::Bytes(2 << 30)),
            ("2 gib", MemoryLimit::Bytes(2 << 30)),
            ("1.5K", MemoryLimit::Bytes(1536)),
            ("1048576", MemoryLimit::Bytes(1 << 20)),
        ] {
            assert_eq!(parse_memory_limit(text), Ok(limit), "{text}");
        }
    }

    #[test]
    fn memory_limits_without_sense_are_refused() {
        for text in ["", "0", "0%", "101%", "-1GB", "many", "5XB", "GB", "nan", "1e9GB", "99999999999TB"] {
            assert!(parse_memory_limit(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_default_limit_is_less_than_the_memory_of_the_machine() {
        let limit = MemoryLimit::default().bytes().expect("a share is a limit") as u64;
        assert!(limit > 0 && Some(limit) < memory_of_machine());
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("1.5s", 1500)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn durations_without_sense_are_refused() {
        for text in ["", "0s", "30", "s", "-5s", "5 parsecs", "1.2.3s", "99999999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
