//! The forms in which programs print a value, made without the code that finds them; and a search for them.

use aho_corasick::AhoCorasick;

/// Characters that encodings change, next to letters and digits.
const SPECIAL: &[char] = &[
    '\'', '"', '\\', '/', '+', '%', '&', '=', '<', '>', '$', '`', '!', '#', '@', ':', ';', ',',
    '?', '*', '(', ')', '[', ']', '{', '}', '|', '~', '^', ' ', '-', '_', '.', 'é', 'ß', '漢',
    '🐤',
];

/// How many of the forms come before those that programs fold: hex and base64.
const FIRST_PACKED: usize = 9;

/// Values that nothing else contains, the same in each run.
pub(super) struct Canaries(pub(super) Vec<String>);

impl Canaries {
    /// Makes values of 8 to 64 characters, the last ones of 12 or more: a line of a secret file is only found on its own
    /// if it is long enough.
    pub(super) fn new(number: usize, long: usize) -> Self {
        let mut seed = 0x5eed_u64;
        let mut below = move |bound: usize| {
            // SplitMix64.
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
        };
        let letters: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
        let mut one = |least: usize| {
            let length = least + below(65 - least);
            let mut sign = |at: usize| match below(4) {
                0 if at > 0 && at + 1 < length => SPECIAL[below(SPECIAL.len())],
                _ => letters[below(letters.len())],
            };
            (0..length).map(&mut sign).collect::<String>()
        };
        Self((0..number).map(|at| one(if at + long < number { 8 } else { 12 })).collect())
    }
}

/// Returns a value as it is, and as programs print it.
pub(super) fn forms(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let hex =
        |upper: bool, before: &str| -> String {
            let digits = bytes.iter();
            digits
                .map(|byte| {
                    if upper {
                        format!("{before}{byte:02X}")
                    } else {
                        format!("{before}{byte:02x}")
                    }
                })
                .collect()
        };
    let json = serde_json::to_string(value).unwrap();
    let json = &json[1..json.len() - 1];
    let ascii: String = json
        .chars()
        .map(|sign| {
            let mut units = [0; 2];
            let units = sign.encode_utf16(&mut units).iter();
            let escaped = || units.map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>();
            if sign.is_ascii() { sign.to_string() } else { escaped().concat() }
        })
        .collect();
    // As Go writes it.
    let go: String = json
        .chars()
        .map(|sign| match sign {
            '<' | '>' | '&' => format!("\\u{:04x}", u32::from(sign)),
            _ => sign.to_string(),
        })
        .collect();
    let percent: String = bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(*byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let mut all = vec![
        value.to_owned(),
        json.to_owned(),
        ascii,
        percent,
        hex(false, "%"),
        go,
        html(value, "&quot;", "&#39;"),
        html(value, "&#34;", "&#39;"),
        html(value, "&quot;", "&apos;"),
        hex(false, ""),
        hex(true, ""),
    ];
    for shift in 0..3 {
        let text = [&b"xx"[..shift], bytes].concat();
        let standard = base64(&text);
        all.push(standard.replace('+', "-").replace('/', "_"));
        all.push(standard);
    }
    all
}

fn html(value: &str, double: &str, single: &str) -> String {
    let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    value.replace('"', double).replace('\'', single)
}

fn base64(bytes: &[u8]) -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).map(|group| {
        let number = group.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
        let number = number << (8 * (3 - group.len()));
        (0..4)
            .map(|at| match at {
                at if at > group.len() => '=',
                at => char::from(SIGNS[number >> (18 - 6 * at) & 63]),
            })
            .collect::<String>()
    });
    groups.collect()
}

/// Finds every form of every canary.
pub(super) struct Search {
    plain: Finder,
    /// Finds hex and base64 in text without white space, since programs fold them.
    packed: Finder,
}

struct Finder(AhoCorasick, Vec<String>);

impl Finder {
    fn new(forms: impl Iterator<Item = String>) -> Self {
        let mut forms: Vec<String> = forms.collect();
        forms.sort();
        forms.dedup();
        Self(AhoCorasick::new(&forms).unwrap(), forms)
    }

    fn finds(&self, bytes: &[u8]) -> Option<&str> {
        self.0.find(bytes).map(|found| self.1[found.pattern().as_usize()].as_str())
    }
}

impl Search {
    /// Makes it of secrets, and of a value of which it must find all forms that they have.
    pub(super) fn new(canaries: &[String], control: &str) -> Self {
        let plain = Finder::new(canaries.iter().flat_map(|canary| patterns(canary)));
        let is_packed = |form: &String| form.chars().all(|sign| sign.is_ascii_graphic());
        let coded = |canary: &String| patterns(canary).into_iter().skip(FIRST_PACKED);
        let packed = Finder::new(canaries.iter().flat_map(coded).filter(is_packed));
        let search = Self { plain, packed };
        // It can fail.
        for form in forms(&canaries[0]) {
            assert!(search.finds(form.as_bytes()).is_some(), "{form} is not found");
        }
        assert!(search.finds(control.as_bytes()).is_none());
        search
    }

    /// Returns the first form that is found.
    fn finds(&self, bytes: &[u8]) -> Option<&str> {
        let squeezed: Vec<u8> =
            bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        self.plain.finds(bytes).or_else(|| self.packed.finds(&squeezed))
    }

    #[track_caller]
    pub(super) fn hides(&self, place: &str, bytes: &[u8]) {
        if let Some(form) = self.finds(bytes) {
            let at = bytes.windows(form.len()).position(|part| part == form.as_bytes());
            let before = at.map(|at| &bytes[at.saturating_sub(120)..at]).unwrap_or_default();
            panic!("{form:?} in {place}, after {:?}", String::from_utf8_lossy(before));
        }
    }

    pub(super) fn has_control(bytes: &[u8], control: &str) -> bool {
        bytes.windows(control.len()).any(|part| part == control.as_bytes())
    }
}

/// Returns the forms of a value without what depends on its neighbours.
fn patterns(value: &str) -> Vec<String> {
    let length = value.len();
    let mut all = forms(value);
    let shifted = all.split_off(all.len() - 6);
    for (number, form) in shifted.into_iter().enumerate() {
        let shift = number / 2;
        let (first, last) = ((shift * 8).div_ceil(6), (shift + length) * 8 / 6);
        all.push(form[first..last].to_owned());
    }
    all
}
