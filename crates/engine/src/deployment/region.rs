//! Whether a place is in a region.

/// Names of places in the European Union that do not begin with `eu`.
const EUROPE: [&str; 12] = [
    "westeurope",
    "northeurope",
    "swedencentral",
    "francecentral",
    "germanywestcentral",
    "polandcentral",
    "italynorth",
    "spaincentral",
    "europe",
    "eur",
    "finland",
    "netherlands",
];
/// Names of places in the United States that do not begin with `us`.
const STATES: [&str; 8] = ["eastus", "westus", "centralus", "northcentralus", "southcentralus", "westcentralus", "nam", "northamerica-us"];

/// Whether `place`, as clouds name theirs, is in `region` (`eu`, `us`, or a place itself).
pub(super) fn is_in(place: &str, region: &str) -> bool {
    let (place, region) = (place.to_ascii_lowercase(), region.to_ascii_lowercase());
    let among = |names: &[&str]| names.iter().any(|name| place.starts_with(name));
    match region.as_str() {
        "eu" | "europe" => place == "eu" || place.starts_with("eu-") || among(&EUROPE),
        "us" => place == "us" || place.starts_with("us-") || place.starts_with("us.") || among(&STATES),
        "global" => true,
        _ => place == region || place.strip_prefix(region.as_str()).is_some_and(|rest| rest.starts_with('-')),
    }
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn places_are_known_by_the_names_of_clouds() {
        for (place, region, expected) in [
            ("eu-central-1", "eu", true),
            ("europe-west4", "eu", true),
            ("swedencentral", "eu", true),
            ("eu", "eu", true),
            ("us-east5", "us", true),
            ("eastus2", "us", true),
            ("us-east-1", "eu", false),
            ("uksouth", "eu", false),
            ("ap-south-1", "us", false),
            ("ap-south-1", "ap-south-1", true),
            ("us-east5", "global", true),
        ] {
            assert_eq!(is_in(place, region), expected, "{place} in {region}");
        }
    }
}
