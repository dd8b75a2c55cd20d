//! The efforts of reasoning, and the nearest one that a model knows.

/// The efforts, from none to most.
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The effort that a budget of tokens stands for, by the budgets that efforts stand for elsewhere.
pub(crate) fn of_budget(tokens: u64) -> &'static str {
    match tokens {
        0 => "none",
        1..1024 => "minimal",
        1024..2048 => "low",
        2048..4096 => "medium",
        _ => "high",
    }
}

/// Whether that is an effort at all.
pub(crate) fn is_known(effort: &str) -> bool {
    EFFORTS.contains(&effort)
}

/// The nearest effort the model knows; of two equally near, the smaller.
pub(crate) fn nearest(wanted: &str, known: &[String]) -> Option<&'static str> {
    let place = |effort: &str| EFFORTS.iter().position(|name| *name == effort);
    let at = place(wanted)?;
    let nearest = known.iter().filter_map(|effort| place(effort)).min_by_key(|found| (found.abs_diff(at), *found))?;
    Some(EFFORTS[nearest])
}
