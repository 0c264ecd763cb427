//! Arrow has a type per unit of time; here they become plain numbers beside their unit.

use arrow::array::ArrayRef;
use arrow::array::types::{
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::datatypes::{IntervalUnit, TimeUnit};

use super::value::{Cells, values};

/// What a `Date64` counts by.
pub(super) const DAY_MILLIS: i64 = 86_400_000;

pub(super) fn timestamps(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => values::<TimestampSecondType>(array),
        TimeUnit::Millisecond => values::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => values::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<TimestampNanosecondType>(array),
    }
}

pub(super) fn durations(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Second => values::<DurationSecondType>(array),
        TimeUnit::Millisecond => values::<DurationMillisecondType>(array),
        TimeUnit::Microsecond => values::<DurationMicrosecondType>(array),
        TimeUnit::Nanosecond => values::<DurationNanosecondType>(array),
    }
}

pub(super) fn times32(array: &ArrayRef, unit: TimeUnit) -> &[i32] {
    match unit {
        TimeUnit::Second => values::<Time32SecondType>(array),
        _ => values::<Time32MillisecondType>(array),
    }
}

pub(super) fn times64(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    match unit {
        TimeUnit::Nanosecond => values::<Time64NanosecondType>(array),
        _ => values::<Time64MicrosecondType>(array),
    }
}

pub(super) fn intervals(array: &ArrayRef, unit: IntervalUnit) -> Cells<'_> {
    match unit {
        IntervalUnit::YearMonth => Cells::Months(values::<IntervalYearMonthType>(array)),
        IntervalUnit::DayTime => Cells::DayTime(values::<IntervalDayTimeType>(array)),
        IntervalUnit::MonthDayNano => Cells::MonthDayNano(values::<IntervalMonthDayNanoType>(array)),
    }
}
