//! A settings file as a tree in which every value knows its place.

use std::fmt;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As it was named to the parser.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong, where, and what to write instead: `file:line: text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where.
    pub place: Place,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) node: Node,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    Number(i64),
    Truth(bool),
    List(Vec<Item>),
    Table(Table),
    /// A kind no setting uses; named for the complaint.
    Other(&'static str),
}

impl Node {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Truth(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// A table of settings, in the order of the file.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) place: Place,
    pub(super) entries: Vec<(String, Item)>,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Item> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, item)| item)
    }

    /// Takes a text setting out, if it is there; for settings that steer the reading itself.
    pub fn take_text(&mut self, key: &str) -> Option<(Place, String)> {
        let index = self.entries.iter().position(|(name, item)| name == key && matches!(item.node, Node::Text(_)))?;
        match self.entries.remove(index).1 {
            Item { place, node: Node::Text(text) } => Some((place, text)),
            _ => None,
        }
    }

    /// Lays `over` on top: its values win, tables are merged entry by entry, lists and the tables named in `whole` are
    /// replaced as one.
    pub fn overlay(&mut self, over: Self, whole: &[&str]) {
        for (key, item) in over.entries {
            match self.entries.iter_mut().find(|(name, _)| *name == key) {
                None => self.entries.push((key, item)),
                Some((_, below)) => match (&mut below.node, item) {
                    (Node::Table(below), Item { node: Node::Table(over), .. }) if !whole.contains(&key.as_str()) => {
                        below.overlay(over, &[]);
                    }
                    (_, item) => *below = item,
                },
            }
        }
    }
}

/// Reads one file. The text is all there is: no file is opened.
pub fn parse(file: &str, text: &str) -> Result<Table, Complaint> {
    let builder = Builder { file: file.into(), line_ends: text.match_indices('\n').map(|(at, _)| at).collect() };
    match DeTable::parse(text) {
        Ok(root) => Ok(builder.table(builder.place(0), root.get_ref())),
        Err(error) => {
            let place = builder.place(error.span().map_or(0, |span| span.start));
            Err(Complaint { place, text: format!("not TOML: {}", error.message()) })
        }
    }
}

struct Builder {
    file: Arc<str>,
    line_ends: Vec<usize>,
}

impl Builder {
    fn place(&self, offset: usize) -> Place {
        let line = self.line_ends.partition_point(|end| *end < offset) + 1;
        Place { file: Arc::clone(&self.file), line }
    }

    fn table(&self, place: Place, table: &DeTable<'_>) -> Table {
        // The key's place, not the value's: a table's own span begins at its first entry.
        let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            (key.get_ref().to_string(), self.item(self.place(key.span().start), value.get_ref()))
        };
        Table { place, entries: table.iter().map(entry).collect() }
    }

    fn item(&self, place: Place, value: &DeValue<'_>) -> Item {
        let node = match value {
            DeValue::String(text) => Node::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Node::Other("a number that is too large"), Node::Number),
            DeValue::Boolean(truth) => Node::Truth(*truth),
            DeValue::Float(_) => Node::Other("a number with a point"),
            DeValue::Datetime(_) => Node::Other("a date"),
            DeValue::Array(list) => {
                Node::List(list.iter().map(|v| self.item(self.place(v.span().start), v.get_ref())).collect())
            }
            DeValue::Table(table) => Node::Table(self.table(place.clone(), table)),
        };
        Item { place, node }
    }
}
