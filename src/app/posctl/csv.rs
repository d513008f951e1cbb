//! Lines of CSV (RFC 4180) that a spreadsheet takes as data and never as a formula.

/// One line, without its end.
pub fn line<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    fields.into_iter().map(field).collect::<Vec<_>>().join(",")
}

fn field(text: &str) -> String {
    // What an app wrote as its reference must not be run by the bookkeeper's program.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_quotes_and_line_ends_stay_inside_their_field() {
        assert_eq!(line(["1", "a,b", "say \"hi\"", "", "二\n三"]), "1,\"a,b\",\"say \"\"hi\"\"\",,\"二\n三\"");
    }

    #[test]
    fn a_formula_is_only_text() {
        assert_eq!(line(["=1+1", "@x", "-5"]), "'=1+1,'@x,'-5");
    }
}
