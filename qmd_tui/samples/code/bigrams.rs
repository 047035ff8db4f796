//! Cut a run of Chinese characters into overlapping pairs, so that any two neighbours can be found.
//! 把连续的汉字切成重叠的双字，任意相邻的两个字都能搜到。

/// Whether a character belongs to a script that is written without spaces.
fn is_cjk(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}')
}

/// The pairs of a run, with the character offset of each. A run of one character is its own token.
pub fn bigrams(run: &str) -> Vec<(usize, String)> {
    let characters: Vec<char> = run.chars().filter(|c| is_cjk(*c)).collect();
    if characters.len() == 1 {
        return vec![(0, run.to_string())];
    }
    characters
        .windows(2)
        .enumerate()
        .map(|(offset, pair)| (offset, pair.iter().collect()))
        .collect()
}

#[test]
fn neighbours_are_found() {
    let found: Vec<String> = bigrams("显存监控").into_iter().map(|(_, pair)| pair).collect();
    assert_eq!(found, ["显存", "存监", "监控"]);
}
