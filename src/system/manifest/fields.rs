//! Tables of the manifest, whose keys are taken one after the other: what is left at the end is unknown.

use std::ops::{Range, RangeInclusive};

use limen_assembler::{Diagnostic, FileId, Span, similar};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{At, Name, units};
use crate::system::problems::Problems;

/// A value as it was written.
pub(super) type Item<'t> = &'t Spanned<DeValue<'t>>;

/// What a value stands for, or what is wrong with it.
pub(super) type Taken<T> = Result<T, Diagnostic>;

/// Names are this long at most.
const LONGEST_NAME: usize = 32;

/// A table.
pub(super) struct Fields<'t> {
    /// What messages call it.
    what: String,
    span: Span,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
    problems: &'t Problems,
}

impl<'t> Fields<'t> {
    pub(super) fn new(what: String, span: Span, table: &'t DeTable<'t>, problems: &'t Problems) -> Self {
        Self { what, span, table, asked: Vec::new(), problems }
    }

    /// A table that is the value of a key.
    pub(super) fn of(what: String, item: Item<'t>, problems: &'t Problems) -> Taken<Self> {
        match item.get_ref() {
            DeValue::Table(table) => Ok(Self::new(what, span_of(item), table, problems)),
            _ => Err(expected(item, "a table")),
        }
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn problems(&self) -> &'t Problems {
        self.problems
    }

    /// The value of a key, if it is there.
    pub(super) fn item(&mut self, key: &'static str) -> Option<Item<'t>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// What the value of a key stands for, if it is there.
    pub(super) fn optional<T>(&mut self, key: &'static str, read: impl FnOnce(Item<'t>) -> Taken<T>) -> Option<T> {
        let item = self.item(key)?;
        self.problems.keep(read(item))
    }

    /// The same, with something that holds where it is not there.
    pub(super) fn or<T>(&mut self, key: &'static str, default: T, read: impl FnOnce(Item<'t>) -> Taken<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The same, where it must be there.
    pub(super) fn required<T>(&mut self, key: &'static str, read: impl FnOnce(Item<'t>) -> Taken<T>) -> Option<T> {
        if !self.table.contains_key(key) {
            self.problems.add(Diagnostic::new(self.span, format!("{} has no `{key}`", self.what)));
        }
        self.optional(key, read)
    }

    /// A table within this one, if it is there.
    pub(super) fn within(&mut self, key: &'static str) -> Option<Self> {
        let what = format!("`{key}` of {}", self.what);
        let problems = self.problems;
        self.optional(key, |item| Self::of(what, item, problems))
    }

    /// All keys and values, in the order in which they were written.
    pub(super) fn all(&self) -> Vec<(Name, Item<'t>)> {
        let mut all: Vec<_> = self.table.iter().map(|(key, item)| (name_at(key.get_ref(), key.span()), item)).collect();
        all.sort_by_key(|(name, _)| name.span);
        all
    }

    /// The tables below a key, each with its name.
    pub(super) fn named(&mut self, sort: &'static str) -> Vec<(Name, Self)> {
        let problems = self.problems;
        let Some(tables) = self.optional(sort, |item| Self::of(format!("`{sort}`"), item, problems)) else {
            return Vec::new();
        };
        let mut named = Vec::new();
        for (name, item) in tables.all() {
            let fields = Self::of(format!("{sort} `{}`", name.value), item, problems);
            let fields = problems.keep(check_name(&name).and(fields));
            named.extend(fields.map(|fields| (name.clone(), Self { span: name.span, ..fields })));
        }
        named
    }

    /// What the whole table stands for: keys that `read` does not ask for are problems.
    pub(super) fn whole<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let it = read(&mut self);
        self.end();
        it
    }

    /// Reports the keys that nobody asked for. Gives those that can be there.
    pub(super) fn end(self) -> Vec<&'static str> {
        for (key, _) in self.all() {
            if !self.asked.contains(&key.value.as_str()) {
                let problem = Diagnostic::new(key.span, format!("{} has no key `{}`", self.what, key.value));
                let near = similar(&key.value, self.asked.iter().copied());
                let known = || format!("the keys are {}", listed(self.asked.iter().copied()));
                self.problems.add(problem.help([near.unwrap_or_else(known)]));
            }
        }
        self.asked
    }
}

/// Names in backticks.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Bytes of the manifest.
pub(super) fn span(range: Range<usize>) -> Span {
    let place = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
    Span::new(FileId(0), place(range.start), place(range.end))
}

pub(super) fn span_of(item: Item<'_>) -> Span {
    span(item.span())
}

fn name_at(text: &str, range: Range<usize>) -> Name {
    At { value: text.to_owned(), span: span(range) }
}

/// Names stand in lines of the control protocol and of traces.
fn check_name(name: &Name) -> Taken<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins_well = name.value.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins_well && name.value.len() <= LONGEST_NAME && name.value.chars().all(is_plain) {
        return Ok(());
    }
    let note = format!("a name is a letter and then letters, digits, `-` and `_`, {LONGEST_NAME} in all at most");
    Err(Diagnostic::new(name.span, "this cannot be a name").note(note))
}

/// That something else belongs where a value is.
pub(super) fn expected(item: Item<'_>, what: &str) -> Diagnostic {
    let found = match item.get_ref().type_str() {
        found @ ("array" | "integer") => format!("this is an {found}"),
        found => format!("this is a {found}"),
    };
    Diagnostic::new(span_of(item), format!("{what} belongs here")).label(found)
}

pub(super) fn text(item: Item<'_>) -> Taken<Name> {
    let text = item.get_ref().as_str().ok_or_else(|| expected(item, "a string"))?;
    Ok(name_at(text, item.span()))
}

pub(super) fn texts(item: Item<'_>) -> Taken<Vec<Name>> {
    let items = item.get_ref().as_array().ok_or_else(|| expected(item, "an array of strings"))?;
    items.iter().map(text).collect()
}

pub(super) fn flag(item: Item<'_>) -> Taken<bool> {
    item.get_ref().as_bool().ok_or_else(|| expected(item, "`true` or `false`"))
}

/// A number within a range.
pub(super) fn number(range: RangeInclusive<u32>) -> impl Fn(Item<'_>) -> Taken<u32> {
    move |item| {
        let integer = item.get_ref().as_integer().ok_or_else(|| expected(item, "a whole number"))?;
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.and_then(|value| u32::try_from(value).ok()).filter(|value| range.contains(value));
        let (least, most) = (range.start(), range.end());
        value.ok_or_else(|| Diagnostic::new(span_of(item), format!("a number from {least} to {most} belongs here")))
    }
}

/// One of a few words.
pub(super) fn one_of<'w, T: Copy>(words: &'w [(&'w str, T)]) -> impl Fn(Item<'_>) -> Taken<T> + 'w {
    move |item| {
        let word = text(item)?;
        let found = words.iter().find(|(name, _)| *name == word.value);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names = || words.iter().map(|(name, _)| *name);
            let problem = Diagnostic::new(word.span, format!("one of {} belongs here", listed(names())));
            problem.help(similar(&word.value, names()))
        })
    }
}

pub(super) fn size(item: Item<'_>) -> Taken<u64> {
    quantity(item, "a size such as \"4MiB\"", units::size)
}

pub(super) fn microseconds(item: Item<'_>) -> Taken<u32> {
    quantity(item, "a time such as \"2ms\"", units::microseconds)
}

pub(super) fn milliseconds(item: Item<'_>) -> Taken<u32> {
    quantity(item, "a time such as \"10s\"", units::milliseconds)
}

fn quantity<T>(item: Item<'_>, what: &str, parse: fn(&str) -> Result<T, String>) -> Taken<T> {
    let text = item.get_ref().as_str().ok_or_else(|| expected(item, what))?;
    parse(text).map_err(|problem| Diagnostic::new(span_of(item), format!("{what} belongs here")).label(problem))
}
