//! Ranges of contents with about as many rows in each.

/// Contents from `from` on, and before `to` if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentRange {
    pub from: Vec<u8>,
    pub to: Option<Vec<u8>>,
}

/// Places at which rows are taken to lie, for all spans together.
const SAMPLES: usize = 1 << 16;

/// What multiples of, modulo 2^64, lie far from each other: the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Rows whose contents lie between two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub min: &'a [u8],
    pub max: &'a [u8],
    pub rows: u64,
}

/// At most `count` ranges that hold all contents, with about as many of the rows in each.
pub(super) fn cut(spans: &[Span<'_>], count: usize) -> Vec<ContentRange> {
    ContentRange::between(&cuts(spans, count))
}

impl ContentRange {
    /// What lies before the first of ascending cuts, between each two of them, and after the last.
    pub fn between(cuts: &[Vec<u8>]) -> Vec<ContentRange> {
        let froms = std::iter::once(Vec::new()).chain(cuts.iter().cloned());
        let tos = cuts.iter().cloned().map(Some).chain([None]);
        froms.zip(tos).map(|(from, to)| ContentRange { from, to }).collect()
    }

    /// Whether contents between two may lie in it.
    pub fn meets(&self, min: &[u8], max: &[u8]) -> bool {
        max >= &self.from[..] && self.to.as_ref().is_none_or(|to| min < &to[..])
    }

    /// Whether contents between two may lie in it, and others between them beyond it.
    pub fn cuts(&self, min: &[u8], max: &[u8]) -> bool {
        let inside = min >= &self.from[..] && self.to.as_ref().is_none_or(|to| max < &to[..]);
        self.meets(min, max) && !inside
    }
}

/// Where to cut all contents into `count` parts with about as many rows in each; fewer cuts if there is no place for them.
///
/// The rows of a span are taken to lie evenly between its bounds, as hashes do. If they do not, the parts differ in size and
/// nothing else.
fn cuts(spans: &[Span<'_>], count: usize) -> Vec<Vec<u8>> {
    let samples = (SAMPLES / spans.len().max(1)).clamp(8, 64) as u64;
    let points = spans.iter().enumerate().flat_map(|(index, span)| {
        let (from, to) = (head(span.min), head(span.max));
        let step = to.saturating_sub(from) / u128::from(samples);
        // At another place of the step in each span: where all of them lie alike, their points must not.
        let first = from + part_of(step, SPREAD.wrapping_mul(index as u64 + 1));
        (0..samples).map(move |sample| (first + step * u128::from(sample), span.rows))
    });
    let mut points: Vec<_> = points.collect();
    points.sort_unstable();
    let total: u128 = points.iter().map(|(_, rows)| u128::from(*rows)).sum();
    let (mut before, mut cuts) = (0, Vec::new());
    for (at, rows) in points {
        // As many parts as are full already, a point may fill several.
        let full = before * count as u128 / total.max(1);
        if full > cuts.len() as u128 && at > 0 && cuts.last() != Some(&at) {
            cuts.push(at);
        }
        before += u128::from(rows);
    }
    cuts.into_iter().map(|cut| cut.to_be_bytes().to_vec()).collect()
}

/// A part of a number, in units of 2^-64.
fn part_of(number: u128, part: u64) -> u128 {
    match u64::try_from(number) {
        Ok(number) => (u128::from(number) * u128::from(part)) >> 64,
        Err(_) => (number >> 64) * u128::from(part),
    }
}

/// The first bytes as a number that keeps the order: of contents that are not the same, it nearly always tells which comes first.
#[inline]
pub(crate) fn head(content: &[u8]) -> u128 {
    match content.first_chunk() {
        Some(bytes) => u128::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 16];
            bytes[..content.len()].copy_from_slice(content);
            u128::from_be_bytes(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span<'a>(min: &'a [u8], max: &'a [u8], rows: u64) -> Span<'a> {
        Span { min, max, rows }
    }

    #[test]
    fn cuts_share_out_the_rows() {
        let spans = [span(&[0], &[100], 1000), span(&[50], &[100], 1000)];
        let cuts = cuts(&spans, 4);
        let first: Vec<_> = cuts.iter().map(|cut| cut[0]).collect();
        assert_eq!(first, [50, 66, 83]);
    }

    #[test]
    fn many_spans_that_lie_alike_are_cut_evenly() {
        let spans = vec![span(&[0], &[255; 16], 10); 3000];
        let cuts: Vec<_> = cuts(&spans, 300).iter().map(|cut| head(cut)).collect();
        let even = u128::MAX / 300;
        assert_eq!(cuts.len(), 299);
        for pair in cuts.windows(2) {
            assert!((even / 2..2 * even).contains(&(pair[1] - pair[0])), "{pair:?}");
        }
    }

    #[test]
    fn ranges_leave_no_content_out() {
        let spans = [span(b"", b"m", 10), span(b"c", b"z", 30), span(b"c", b"c", 5)];
        let ranges = cut(&spans, 7);
        assert!(ranges.len() > 3, "{ranges:?}");
        assert!(ranges[0].from.is_empty() && ranges[ranges.len() - 1].to.is_none());
        for pair in ranges.windows(2) {
            assert_eq!(pair[0].to.as_ref(), Some(&pair[1].from));
            assert!(pair[0].from < pair[1].from);
        }
    }

    #[test]
    fn one_content_cannot_be_cut() {
        assert!(cuts(&[span(b"", b"", 1000)], 4).is_empty());
        assert!(cuts(&[], 4).is_empty());
    }
}
