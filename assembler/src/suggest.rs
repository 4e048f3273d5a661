//! Names that a misspelt one may have meant.

/// Less similar names are not suggested; 1 is equality.
const LEAST_SIMILARITY: f64 = 0.7;

/// `did you mean ...`, if one of the candidates is similar to `name`.
#[must_use]
pub fn similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = |candidate: &&str| candidate.len().abs_diff(name.len()) <= 3;
    let (similarity, best) = candidates
        .into_iter()
        .filter(near)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))?;
    (similarity >= LEAST_SIMILARITY).then(|| format!("did you mean `{best}`?"))
}

#[cfg(test)]
mod tests {
    use super::similar;

    #[test]
    fn the_most_similar_name_wins() {
        let names = ["i32.add", "i32.and", "i64.add"];
        assert_eq!(similar("i32.ad", names), Some("did you mean `i32.add`?".into()));
        assert_eq!(similar("i23.add", names), Some("did you mean `i32.add`?".into()));
    }

    #[test]
    fn nothing_similar_is_nothing() {
        assert_eq!(similar("frobnicate", ["i32.add", "ret"]), None);
        assert_eq!(similar("x", []), None);
    }
}
