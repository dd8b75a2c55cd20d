//! Goals, and rows of figures judged by them.

use serde::Serialize;

/// How the gateway's figure is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Compared {
    /// Gateway divided by bare.
    Ratio,
    /// Gateway minus bare.
    Added,
    /// The gateway's figure alone.
    Alone,
}

/// What has to be reached, and what would be better still.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Goal {
    pub(super) compared: Compared,
    pub(super) reach: f64,
    pub(super) better: f64,
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Better,
    Reached,
    Missed,
    /// Measured in too short a run to say anything.
    NotJudged,
    /// This machine lacks the means.
    NotAvailable,
    /// Some answers were not the ones ordered: no figure excuses that.
    WrongAnswers,
}

impl Verdict {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Reached => "reached",
            Self::Missed => "MISSED",
            Self::NotJudged => "not judged",
            Self::NotAvailable => "not available",
            Self::WrongAnswers => "WRONG ANSWERS",
        }
    }
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) unit: &'static str,
    pub(super) bare: Option<f64>,
    pub(super) gateway: Option<f64>,
    pub(super) goal: Goal,
    pub(super) verdict: Verdict,
    pub(super) note: String,
}

impl Row {
    /// A row with its verdict.
    pub(super) fn judged(id: &str, what: &str, unit: &'static str, figures: Figures, goal: Goal) -> Self {
        let mut row = Self {
            id: id.to_owned(),
            what: what.to_owned(),
            unit,
            bare: figures.bare,
            gateway: figures.gateway,
            goal,
            verdict: Verdict::NotAvailable,
            note: figures.note,
        };
        if let Some(value) = row.compared() {
            row.verdict = match value {
                _ if value <= goal.better => Verdict::Better,
                _ if value <= goal.reach => Verdict::Reached,
                _ => Verdict::Missed,
            };
        }
        if figures.flawed {
            row.verdict = Verdict::WrongAnswers;
        }
        row
    }

    /// The figure that the goal is about.
    pub(super) fn compared(&self) -> Option<f64> {
        match self.goal.compared {
            Compared::Alone => self.gateway,
            Compared::Added => Some(self.gateway? - self.bare?),
            Compared::Ratio => self.bare.filter(|bare| *bare > 0.0).and_then(|bare| Some(self.gateway? / bare)),
        }
    }

    /// Takes back a verdict on a figure, but not on an answer.
    pub(super) fn withhold_verdict(&mut self) {
        if matches!(self.verdict, Verdict::Better | Verdict::Reached | Verdict::Missed) {
            self.verdict = Verdict::NotJudged;
        }
    }

    pub(super) fn is_good(&self) -> bool {
        !matches!(self.verdict, Verdict::Missed | Verdict::WrongAnswers)
    }
}

/// What was measured, before it is judged.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) bare: Option<f64>,
    pub(super) gateway: Option<f64>,
    pub(super) note: String,
    pub(super) flawed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bare: f64, gateway: f64, compared: Compared) -> Row {
        let figures = Figures { bare: Some(bare), gateway: Some(gateway), ..Figures::default() };
        Row::judged("x", "x", "us", figures, Goal { compared, reach: 1.5, better: 1.25 })
    }

    #[test]
    fn verdicts_follow_the_comparison() {
        assert_eq!(row(10.0, 12.0, Compared::Ratio).verdict, Verdict::Better);
        assert_eq!(row(10.0, 15.0, Compared::Ratio).verdict, Verdict::Reached);
        assert_eq!(row(10.0, 15.1, Compared::Ratio).verdict, Verdict::Missed);
        assert_eq!(row(10.0, 11.4, Compared::Added).verdict, Verdict::Reached);
        assert_eq!(row(10.0, 1.0, Compared::Alone).verdict, Verdict::Better);
        assert_eq!(row(0.0, 1.0, Compared::Ratio).verdict, Verdict::NotAvailable);
    }

    #[test]
    fn wrong_answers_are_never_withheld() {
        let figures = Figures { bare: Some(1.0), gateway: Some(1.0), flawed: true, ..Figures::default() };
        let mut row = Row::judged("x", "x", "us", figures, Goal { compared: Compared::Ratio, reach: 2.0, better: 1.0 });
        row.withhold_verdict();
        assert_eq!(row.verdict, Verdict::WrongAnswers);
        assert!(!row.is_good());
    }
}
