//! Files that were split into parts, whose names end in `-00001-of-00003.gguf`.

/// The most parts that a name is believed to have.
const MOST_PARTS: usize = 1000;

/// The names of all parts, in order, of the file of which `name` is one; `None` where it is none. A name may be a path or a URL,
/// with a query.
pub fn part_names(name: &str) -> Option<Vec<String>> {
    let (path, query) = name.split_at(name.find(['?', '#']).unwrap_or(name.len()));
    let stem = path.strip_suffix(".gguf")?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (start, index) = rest.rsplit_once('-')?;
    let number = |digits: &str| {
        (digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse::<usize>().ok())?
    };
    let (index, count) = (number(index)?, number(count)?);
    ((1..=count).contains(&index) && count <= MOST_PARTS)
        .then(|| (1..=count).map(|index| format!("{start}-{index:05}-of-{count:05}.gguf{query}")).collect())
}

#[cfg(test)]
mod tests {
    use super::part_names;

    #[test]
    fn names_of_parts_give_all_of_them() {
        let two = ["a/b-00001-of-00002.gguf?c=d", "a/b-00002-of-00002.gguf?c=d"];
        assert_eq!(part_names(two[0]).unwrap(), two);
        assert_eq!(part_names(two[1]).unwrap(), two);
        for other in [
            "b.gguf",
            "b-00001-of-00002.safetensors",
            "b-1-of-2.gguf",
            "b-00003-of-00002.gguf",
            "b-00000-of-00002.gguf",
            "b-+0001-of-00002.gguf",
            "b-00001-of-99999.gguf",
        ] {
            assert_eq!(part_names(other), None, "{other}");
        }
    }
}
