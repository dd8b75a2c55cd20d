//! How large an image is to be, in Google's words.

/// The forms that Gemini knows: width and height.
pub(super) const GEMINI: [(u32, u32); 14] =
    [(1, 1), (1, 4), (1, 8), (2, 3), (3, 2), (3, 4), (4, 1), (4, 3), (4, 5), (5, 4), (8, 1), (9, 16), (16, 9), (21, 9)];
/// Those that Imagen knows.
pub(super) const IMAGEN: [(u32, u32); 5] = [(1, 1), (3, 4), (4, 3), (9, 16), (16, 9)];

/// Sizes that Imagen makes, although another form is nearer.
const NAMED: [((u32, u32), (u32, u32)); 2] = [((1280, 896), (4, 3)), ((896, 1280), (3, 4))];

/// The longest side of a square of that area, up to which a size has that name.
const NAMES: [(f64, &str); 3] = [(768.0, "512"), (1536.0, "1K"), (3072.0, "2K")];

/// What OpenAI writes as a size.
pub(super) fn read(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once(['x', 'X'])?;
    let sides = (width.trim().parse().ok()?, height.trim().parse().ok()?);
    (sides.0 > 0 && sides.1 > 0).then_some(sides)
}

/// The nearest of those forms.
pub(super) fn form(sides: (u32, u32), known: &[(u32, u32)]) -> String {
    let ratio = |(width, height): (u32, u32)| f64::from(width) / f64::from(height);
    let distance = |one: (u32, u32)| (ratio(one) / ratio(sides)).ln().abs();
    let named = NAMED.iter().find(|(named, _)| *named == sides).map(|(_, form)| *form);
    let nearest = known.iter().copied().min_by(|one, other| distance(*one).total_cmp(&distance(*other)));
    let (width, height) = named.or(nearest).unwrap_or((1, 1));
    format!("{width}:{height}")
}

/// The name of that size.
pub(super) fn name(sides: (u32, u32)) -> &'static str {
    let side = (f64::from(sides.0) * f64::from(sides.1)).sqrt();
    NAMES.iter().find(|(most, _)| side < *most).map_or("4K", |(_, name)| name)
}
