//! The sums of `size_bytes` in the row groups of a file, which Parquet's own statistics do not have: the value of
//! [`SIZE_SUMS_KEY`](super::schema::SIZE_SUMS_KEY).

use arrow::array::Int64Array;

/// The sums of a file in the making.
#[derive(Debug)]
pub struct SizeSums {
    /// Rows of a row group at most.
    most: usize,
    /// The rows of each row group and the sum of their sizes.
    groups: Vec<(usize, i128)>,
}

impl SizeSums {
    /// Of a file whose row groups have so many rows at most.
    pub fn new(most: usize) -> SizeSums {
        SizeSums { most, groups: Vec::new() }
    }

    /// What comes next is in another row group.
    pub fn end_group(&mut self) {
        self.groups.push((0, 0));
    }

    /// Adds the sizes of the next rows; unknown ones count as none.
    pub fn add(&mut self, sizes: &Int64Array) {
        let mut at = 0;
        while at < sizes.len() {
            if self.groups.last().is_none_or(|(rows, _)| *rows == self.most) {
                self.end_group();
            }
            let Some((rows, sum)) = self.groups.last_mut() else { return };
            let taken = (self.most - *rows).min(sizes.len() - at);
            *sum += sizes.slice(at, taken).iter().flatten().map(i128::from).sum::<i128>();
            *rows += taken;
            at += taken;
        }
    }

    /// The sums as text, in the order of the row groups; `None` if these do not have as many rows as were taken for them.
    pub fn text(&self, rows: impl Iterator<Item = i64>) -> Option<String> {
        let groups = || self.groups.iter().filter(|(rows, _)| *rows > 0);
        let same = rows.map(usize::try_from).eq(groups().map(|(rows, _)| Ok(*rows)));
        let sums: Vec<String> = groups().map(|(_, sum)| sum.to_string()).collect();
        same.then(|| sums.join(","))
    }
}

/// The sums of so many row groups, from their text.
pub fn parse(text: &str, groups: usize) -> Option<Vec<i128>> {
    let sums = text.split_terminator(',').map(|sum| sum.parse().ok()).collect::<Option<Vec<_>>>()?;
    (sums.len() == groups).then_some(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_group_has_its_sum() {
        let mut sums = SizeSums::new(3);
        sums.add(&Int64Array::from(vec![Some(1), None]));
        sums.add(&Int64Array::from(vec![i64::MAX, i64::MAX, i64::MAX, i64::MAX, 2]));
        sums.end_group();
        sums.end_group();
        sums.add(&Int64Array::from(vec![None]));
        let text = sums.text([3, 3, 1, 1].into_iter()).unwrap();
        assert_eq!(text, "9223372036854775808,27670116110564327421,2,0");
        let max = i128::from(i64::MAX);
        assert_eq!(parse(&text, 4), Some(vec![max + 1, 3 * max, 2, 0]));
        assert_eq!(parse(&text, 3), None);
        assert_eq!(parse("1,x", 2), None);
        assert_eq!(parse("", 0), Some(vec![]));
        assert_eq!(sums.text([3, 3, 2].into_iter()), None);
    }
}
