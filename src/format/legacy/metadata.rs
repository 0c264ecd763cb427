//! What an entry says besides its columns: a JSON object, member by member as it was written.

use super::fields::Object;
use crate::format::json;

/// A JSON object in the making.
pub(super) struct Writer<'a> {
    out: &'a mut String,
}

impl<'a> Writer<'a> {
    /// Begins an object in `out`.
    pub fn begin(out: &'a mut String) -> Writer<'a> {
        out.clear();
        Writer::append(out)
    }

    /// Begins an object after what is in `out`.
    fn append(out: &'a mut String) -> Writer<'a> {
        out.push('{');
        Writer { out }
    }

    /// Adds a member: the key as written without its quotes, the value as written.
    pub fn member(&mut self, key: &str, value: &str) {
        self.key(key);
        json::minify(value, self.out);
    }

    /// Adds a member whose value is a text: what stands between its quotes.
    pub fn text(&mut self, key: &str, raw: &str) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(raw);
        self.out.push('"');
    }

    /// Adds a member whose value is `object` without one of its members.
    pub fn object_without(&mut self, key: &str, object: Object<'_>, left_out: usize) {
        self.key(key);
        let mut inner = Writer::append(self.out);
        for index in (0..object.members.len()).filter(|&index| index != left_out) {
            inner.member(object.key(index), object.value(index));
        }
        inner.end();
    }

    fn key(&mut self, key: &str) {
        self.out.push_str(if self.out.ends_with('{') { "\"" } else { ",\"" });
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.push('}');
    }
}
