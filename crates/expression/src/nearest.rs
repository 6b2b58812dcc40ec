//! "Did you mean": the known name nearest to the one that was written.

use crate::limits::HINT_NAMES_MAX;

/// The nearest of the first thousand names, if it is near enough to be meant.
pub(crate) fn nearest<'n>(written: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let written_lower = written.to_lowercase();
    // A name of one letter is near to every other one.
    let near = |distance: usize, name: &str| {
        let longer = name.len().max(written.len());
        distance <= (longer / 3).max(1) && distance < longer
    };
    known
        .take(HINT_NAMES_MAX)
        .filter(|name| name.len() <= 256)
        .map(|name| (strsim::osa_distance(&written_lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| near(*distance, name) && written.len() <= 256)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "did you mean `x`?", or what there is to choose from.
pub(crate) fn hint<'n>(written: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<String> {
    if let Some(name) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{}`?", clip(name)));
    }
    let mut names: Vec<String> = known.take(6).map(|name| format!("`{}`", clip(name))).collect();
    if names.is_empty() {
        return None;
    }
    if names.len() == 6 {
        names[5] = "…".to_owned();
    }
    Some(format!("there is {}", names.join(", ")))
}

/// At most 64 characters of a text, for a message.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
