//! Money in documents.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Number;
use switchboard_engine::terms::NanoUsd;

/// Money as the APIs write it, a decimal number of dollars; kept exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub NanoUsd);

impl Money {
    /// That number of dollars, to the nano-dollar.
    pub fn of(number: &Number) -> Option<Self> {
        NanoUsd::parse(&number.to_string()).map(Self)
    }

    /// As the shortest number that reads back as the same.
    pub fn number(self) -> Number {
        let dollars = self.0.to_string().parse::<f64>().ok().and_then(Number::from_f64);
        dollars.unwrap_or_else(|| Number::from(0))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        Self::of(&number).ok_or_else(|| de::Error::custom("not an amount of money"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_come_back_exactly() {
        for text in ["0.1", "10.0", "0.000000001", "123456.789012345"] {
            let money: Money = serde_json::from_str(text).expect("money");
            assert_eq!(serde_json::to_string(&money).expect("text"), text.replace("0.000000001", "1e-9"));
        }
    }
}
