//! Typed access to one table of settings, with complaints.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::tree::{Complaint, Item, Node, Place, Table};

/// A value and where it was set.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it was set.
    pub place: Place,
}

/// Everything found wrong so far.
#[derive(Default)]
pub struct Complaints(RefCell<Vec<Complaint>>);

impl Complaints {
    /// Notes one more.
    pub fn add(&self, place: &Place, text: impl Into<String>) {
        self.0.borrow_mut().push(Complaint { place: place.clone(), text: text.into() });
    }

    /// All of them, in the order of files and lines.
    pub fn into_sorted(self) -> Vec<Complaint> {
        let mut all = self.0.into_inner();
        all.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
        all
    }
}

/// One table being read. What was not asked for by the time of [`Section::finish`] is unknown.
pub struct Section<'a> {
    table: Option<&'a Table>,
    place: Place,
    path: String,
    asked: RefCell<Vec<&'static str>>,
    complaints: &'a Complaints,
}

impl<'a> Section<'a> {
    /// The top of a file.
    pub fn root(table: &'a Table, complaints: &'a Complaints) -> Self {
        let place = table.place.clone();
        Self { table: Some(table), place, path: String::new(), asked: RefCell::default(), complaints }
    }

    /// A table inside; an absent one reads as empty.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        let (table, place) = match self.item(key) {
            Some(Item { node: Node::Table(table), place }) => (Some(table), place.clone()),
            Some(item) => {
                let text = format!(
                    "`{}` must be a table, not {}; write [{}]",
                    self.name(key),
                    item.node.kind(),
                    self.name(key)
                );
                self.complaints.add(&item.place, text);
                (None, item.place.clone())
            }
            None => (None, self.place.clone()),
        };
        Section { table, place, path: self.name(key), asked: RefCell::default(), complaints: self.complaints }
    }

    /// The tables inside whose names are data, such as response codes.
    pub fn sections(&self) -> Vec<(String, Section<'a>)> {
        let entries = self.table.map_or(&[][..], |table| &table.entries);
        let mut found = Vec::new();
        for (key, item) in entries {
            match &item.node {
                Node::Table(table) => {
                    let section = Section {
                        table: Some(table),
                        place: item.place.clone(),
                        path: self.name(key),
                        asked: RefCell::default(),
                        complaints: self.complaints,
                    };
                    found.push((key.clone(), section));
                }
                other => {
                    let text = format!("`{}` must be a table, not {}", self.name(key), other.kind());
                    self.complaints.add(&item.place, text);
                }
            }
        }
        found
    }

    /// The texts inside whose names are data, such as the keys of a keypad; each with the place of its name.
    pub fn named_texts(&self) -> Vec<(String, At<String>)> {
        let entries = self.table.map_or(&[][..], |table| &table.entries);
        let read = |(key, item): &(String, Item)| match &item.node {
            Node::Text(text) => Some((key.clone(), At { value: text.clone(), place: item.place.clone() })),
            _ => self.wrong_kind(key, item, "text in quotes"),
        };
        entries.iter().filter_map(read).collect()
    }

    /// Where the table begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the table was written at all.
    pub fn present(&self) -> bool {
        self.table.is_some()
    }

    /// `table.key`, as complaints name it.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes that something is wrong.
    pub fn refuse(&self, place: &Place, text: impl Into<String>) {
        self.complaints.add(place, text);
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<At<String>> {
        let item = self.item(key)?;
        match &item.node {
            Node::Text(text) => Some(At { value: text.clone(), place: item.place.clone() }),
            _ => self.wrong_kind(key, item, "text in quotes"),
        }
    }

    /// A text that `read` understands; `wanted` says what to write.
    pub fn parsed<T>(&self, key: &'static str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<At<T>> {
        let At { value, place } = self.text(key)?;
        let parsed = read(&value);
        if parsed.is_none() {
            self.refuse(&place, format!("`{}` is \"{value}\"; write {wanted}", self.name(key)));
        }
        parsed.map(|value| At { value, place })
    }

    /// A whole number within bounds.
    pub fn number(&self, key: &'static str, range: RangeInclusive<i64>, unit: &str) -> Option<At<i64>> {
        let item = self.item(key)?;
        let Node::Number(value) = item.node else {
            return self.wrong_kind(key, item, "a whole number");
        };
        if range.contains(&value) {
            return Some(At { value, place: item.place.clone() });
        }
        let (low, high) = range.into_inner();
        self.refuse(&item.place, format!("`{}` is {value}; write {low} to {high} {unit}", self.name(key)));
        None
    }

    /// `true` or `false`.
    pub fn truth(&self, key: &'static str) -> Option<At<bool>> {
        let item = self.item(key)?;
        match item.node {
            Node::Truth(value) => Some(At { value, place: item.place.clone() }),
            _ => self.wrong_kind(key, item, "true or false"),
        }
    }

    /// A list of texts, each with its own place.
    pub fn texts(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let item = self.item(key)?;
        let Node::List(list) = &item.node else {
            return self.wrong_kind(key, item, "a list of texts in brackets");
        };
        let mut values = Vec::with_capacity(list.len());
        for entry in list {
            match &entry.node {
                Node::Text(text) => values.push(At { value: text.clone(), place: entry.place.clone() }),
                _ => return self.wrong_kind(key, entry, "a list of texts in quotes"),
            }
        }
        Some(At { value: values, place: item.place.clone() })
    }

    /// One of a closed list of words.
    pub fn choice<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<At<T>> {
        let At { value, place } = self.text(key)?;
        if let Some((_, chosen)) = words.iter().find(|(word, _)| *word == value) {
            return Some(At { value: *chosen, place });
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.refuse(&place, format!("`{}` is \"{value}\"; {}", self.name(key), instead(&value, &known)));
        None
    }

    /// Complains if a setting without a default was not given at all; a wrong one has had its complaint.
    pub fn need<T>(&self, key: &'static str, got: Option<T>, example: &str) -> Option<T> {
        if got.is_none() && self.item(key).is_none() {
            self.refuse(&self.place, format!("`{}` is missing; write {example}", self.name(key)));
        }
        got
    }

    /// Complains about every setting that nobody asked for.
    pub fn finish(self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        for (key, item) in &table.entries {
            if !asked.contains(&key.as_str()) {
                self.refuse(&item.place, format!("unknown setting `{}`; {}", self.name(key), instead(key, &asked)));
            }
        }
    }

    fn item(&self, key: &'static str) -> Option<&'a Item> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table?.get(key)
    }

    fn wrong_kind<T>(&self, key: &str, item: &Item, wanted: &str) -> Option<T> {
        self.refuse(&item.place, format!("`{}` must be {wanted}, not {}", self.name(key), item.node.kind()));
        None
    }
}

/// "did you mean …" if one known word is near, else all of them.
pub(super) fn instead(found: &str, known: &[&str]) -> String {
    match near(found, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("write one of: {}", known.join(", ")),
    }
}

/// The known word that was probably meant.
pub fn near<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let nearest = known.iter().map(|word| (distance(found, word), *word)).min();
    nearest.filter(|(d, word)| *d <= 1 + word.len() / 5).map(|(_, word)| word)
}

/// Single-character edits and swaps of neighbours between two words, without regard to case and `-` against `_`.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| s.to_lowercase().replace('-', "_").chars().collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if j > 0 && previous == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
        previous = Some(x);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_answered_with_the_list() {
        assert_eq!(instead("anwser", &["connect", "answer"]), "did you mean `answer`?");
        assert_eq!(instead("idle-close", &["idle_close", "answer"]), "did you mean `idle_close`?");
        assert_eq!(instead("colour", &["connect", "answer"]), "write one of: connect, answer");
    }

    #[test]
    fn distance_counts_edits_and_swaps() {
        assert_eq!(distance("mak", "mac"), 1);
        assert_eq!(distance("tpud", "tpdu"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
