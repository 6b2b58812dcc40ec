//! The guide and the code say the same.

const GUIDE: &str = include_str!("../../../../docs/guide/expressions.md");

/// What stands in quotes after a marker, on each line of a source.
fn quoted<'s>(source: &'s str, marker: &'s str) -> impl Iterator<Item = &'s str> {
    source.lines().filter_map(move |line| line.trim().strip_prefix(marker)?.split('"').next())
}

#[test]
fn every_error_has_a_row_in_the_guide() {
    for source in [include_str!("../../src/error.rs"), include_str!("../../src/fault.rs")] {
        let codes: Vec<&str> = source
            .lines()
            .filter(|line| line.trim_start().starts_with("Self::"))
            .filter_map(|line| line.split_once("=> \"")?.1.split('"').next())
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect();
        assert!(codes.len() > 15, "the codes are where this test looks for them");
        for code in codes {
            assert!(GUIDE.contains(&format!("| `{code}` |")), "`{code}` has no row");
        }
    }
}

#[test]
fn every_function_is_in_the_guide() {
    let functions: Vec<&str> = quoted(include_str!("../../src/function.rs"), "(\"").collect();
    assert_eq!(functions.len(), 21, "the functions are where this test looks for them");
    for function in functions {
        assert!(GUIDE.contains(&format!("{function}(")), "`{function}` is not described");
    }
}
