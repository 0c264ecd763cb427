//! `date_trunc` and `to_timestamp` for times of any year.
//!
//! DataFusion's count nanoseconds on the way, and those end in 1677 and 2262. See [`times`](super::times).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::functions::datetime;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

const MICROS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Both, to be registered in the place of DataFusion's.
pub(super) fn all() -> [Arc<ScalarUDF>; 2] {
    let to_timestamp = datetime::to_timestamp(&ConfigOptions::default());
    [
        Arc::new(ScalarUDF::new_from_impl(DateTrunc { inner: datetime::date_trunc() })),
        Arc::new(ScalarUDF::new_from_impl(ToTimestamp { inner: to_timestamp })),
    ]
}

/// DataFusion's `date_trunc`, but for hours and more of a time in microseconds and UTC.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.inner.return_type(kinds)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(part), time] = &args.args[..] else {
            return self.inner.invoke_with_args(args);
        };
        let part = part.try_as_str().flatten().and_then(Part::named);
        match (part, time.data_type()) {
            (Some(part), DataType::Timestamp(TimeUnit::Microsecond, zone)) if is_utc(zone.as_deref()) => {
                each(time, |micros| part.start(micros))
            }
            _ => self.inner.invoke_with_args(args),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

fn is_utc(zone: Option<&str>) -> bool {
    matches!(zone, None | Some("UTC" | "Z" | "+00:00"))
}

/// What a time is cut down to.
#[derive(Debug, Clone, Copy)]
enum Part {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Part {
    fn named(name: &str) -> Option<Part> {
        Some(match name.to_lowercase().as_str() {
            "hour" => Part::Hour,
            "day" => Part::Day,
            "week" => Part::Week,
            "month" => Part::Month,
            "quarter" => Part::Quarter,
            "year" => Part::Year,
            _ => return None,
        })
    }

    /// When the part began that `micros` is in.
    fn start(self, micros: i64) -> Option<i64> {
        let date = || DateTime::from_timestamp_micros(micros).map(|time| time.date_naive());
        match self {
            Part::Hour => micros.checked_sub(micros.rem_euclid(HOUR)),
            Part::Day => micros.checked_sub(micros.rem_euclid(DAY)),
            // The first day of 1970 was a Thursday, and weeks begin on Mondays.
            Part::Week => micros.checked_sub((micros.rem_euclid(7 * DAY) + 3 * DAY).rem_euclid(7 * DAY)),
            Part::Month => first(date()?, |month| month),
            Part::Quarter => first(date()?, |month| (month - 1) / 3 * 3 + 1),
            Part::Year => first(date()?, |_| 1),
        }
    }
}

/// When the first day of a month of that year began.
fn first(date: NaiveDate, month: fn(u32) -> u32) -> Option<i64> {
    let day = NaiveDate::from_ymd_opt(date.year(), month(date.month()), 1)?;
    i64::from(day.to_epoch_days()).checked_mul(DAY)
}

/// Changes each time of a column, or the only one.
fn each(times: &ColumnarValue, change: impl Fn(i64) -> Option<i64>) -> Result<ColumnarValue> {
    let change = |micros| {
        change(micros).ok_or_else(|| exec_datafusion_err!("a time is too far away: {micros} microseconds"))
    };
    Ok(match times {
        ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(time, zone)) => {
            let time = time.map(change).transpose()?;
            ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(time, zone.clone()))
        }
        other => {
            let array: ArrayRef = other.to_array(1)?;
            let kind = array.data_type().clone();
            let changed: PrimitiveArray<TimestampMicrosecondType> =
                array.as_primitive::<TimestampMicrosecondType>().try_unary(change)?;
            ColumnarValue::Array(Arc::new(changed.with_data_type(kind)))
        }
    })
}

/// DataFusion's `to_timestamp`, in microseconds.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToTimestamp {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(MICROS)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[..] {
            [seconds] if seconds.data_type().is_integer() => {
                seconds.cast_to(&DataType::Timestamp(TimeUnit::Second, None), None)?.cast_to(&MICROS, None)
            }
            [time] if time.data_type().is_string() || time.data_type().is_temporal() => {
                time.cast_to(&MICROS, None)
            }
            _ => self.inner.invoke_with_args(args)?.cast_to(&MICROS, None),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pin::time;

    #[test]
    fn times_of_any_year_are_cut_down_to_when_the_part_began() {
        use Part::{Day, Hour, Month, Quarter, Week, Year};
        for (at, part, start) in [
            ("2024-05-15T10:30:07.5Z", Hour, "2024-05-15T10:00:00Z"),
            ("2024-05-15T10:30:07.5Z", Day, "2024-05-15T00:00:00Z"),
            ("2024-05-15T10:30:07.5Z", Week, "2024-05-13T00:00:00Z"),
            ("2024-05-13T00:00:00Z", Week, "2024-05-13T00:00:00Z"),
            ("2024-05-12T23:59:59.999999Z", Week, "2024-05-06T00:00:00Z"),
            ("2024-05-15T10:30:07.5Z", Month, "2024-05-01T00:00:00Z"),
            ("2024-05-15T10:30:07.5Z", Quarter, "2024-04-01T00:00:00Z"),
            ("2024-12-31T23:59:59.999999Z", Quarter, "2024-10-01T00:00:00Z"),
            ("2024-05-15T10:30:07.5Z", Year, "2024-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59.999999Z", Hour, "1969-12-31T23:00:00Z"),
            ("0001-02-03T04:05:06Z", Month, "0001-02-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", Week, "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", Year, "9999-01-01T00:00:00Z"),
        ] {
            let micros = time::parse(at).unwrap();
            assert_eq!(part.start(micros).map(time::format).as_deref(), Some(start), "{at} {part:?}");
        }
        assert_eq!(Year.start(i64::MIN), None);
        assert_eq!(Week.start(i64::MIN), None);
    }
}
