//! Which content may go where.

/// Requests that hold one of these classes go only to deployments with one of these labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentRule {
    /// The classes; `*` stands for all.
    pub classes: Vec<String>,
    /// The labels, of which a deployment must have one.
    pub labels: Vec<String>,
}

impl ContentRule {
    fn applies(&self, classes: &[&'static str]) -> bool {
        classes.iter().any(|class| self.classes.iter().any(|own| own == "*" || own == class))
    }
}

/// The labels of which a deployment must have one; `None` where no rule applies. What several rules allow is what all of them do.
pub(super) fn demanded(rules: &[ContentRule], classes: &[&'static str]) -> Option<Vec<String>> {
    let mut applying = rules.iter().filter(|rule| rule.applies(classes));
    let mut labels = applying.next()?.labels.clone();
    for rule in applying {
        labels.retain(|label| rule.labels.contains(label));
    }
    if labels.is_empty() {
        // Rules that contradict each other allow nothing: a label that no deployment can have.
        labels.push(String::new());
    }
    Some(labels)
}
