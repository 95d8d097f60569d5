//! Small texts that would grow without end, if nothing held them.

/// What a bomb is read as.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A plan.
    Plan,
    /// An inventory.
    Inventory,
    /// A template, an expression, an output.
    Text,
}

/// A bomb.
pub(crate) struct Bomb {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is read as.
    pub(crate) kind: Kind,
    /// Makes its text.
    pub(crate) make: fn() -> String,
}

/// All of them.
pub(crate) const BOMBS: &[Bomb] = &[
    bomb("laughs", Kind::Plan, || {
        let names = |n: usize| vec![format!("*a{n}"); 9].join(", ");
        pieces(1..30, |n| match n {
            1 => "a1: &a1 [lol, lol]\n".to_owned(),
            n => format!("a{n}: &a{n} [{}]\n", names(n - 1)),
        })
    }),
    bomb("laughs-of-text", Kind::Plan, || {
        let uses = vec!["*x"; 10_000].join(", ");
        format!("x: &x {}\ny: [{uses}]\n", "x".repeat(500_000))
    }),
    bomb("anchors-in-anchors", Kind::Plan, || {
        let open = pieces(0..40, |n| format!("&a{n} ["));
        format!("x: {open}{}{}\n", "a, ".repeat(30_000), "]".repeat(40))
    }),
    bomb("open-brackets", Kind::Plan, || "[".repeat(200_000)),
    bomb("open-braces", Kind::Plan, || "{a: ".repeat(200_000)),
    bomb("deep-blocks", Kind::Plan, || {
        pieces(0..2_000, |n| format!("{}a:\n", " ".repeat(n)))
    }),
    bomb("huge-scalar", Kind::Plan, || {
        format!("name: \"{}\"\n", "x".repeat(4_000_000))
    }),
    bomb("huge-number", Kind::Plan, || {
        format!("version: {}\n", "9".repeat(1_000_000))
    }),
    bomb("many-keys", Kind::Plan, || {
        pieces(0..20_000, |n| format!("key{n}: {n}\n"))
    }),
    bomb("many-unknown-names", Kind::Plan, || {
        let names = pieces(0..3_000, |n| format!("  known_{n}: true\n"));
        let steps = pieces(0..3_000, |n| format!("  - assert: {{a: unknown_{n}}}\n"));
        format!("version: 1\nname: p\nhosts: all\nlet:\n{names}steps:\n{steps}")
    }),
    bomb("doubling-words", Kind::Plan, || {
        let words = pieces(1..60, |n| format!("  w{n}: w{0} + w{0}\n", n - 1));
        format!(
            "version: 1\nname: p\nhosts: all\nlet:\n  w0: 1\n{words}steps: [{{assert: {{a: w59 > 1}}}}]\n"
        )
    }),
    bomb("chained-words", Kind::Plan, || {
        let words = pieces(1..20_000, |n| format!("  w{n}: w{}\n", n - 1));
        format!("version: 1\nname: p\nhosts: all\nlet:\n  w0: true\n{words}steps: [{{wait: 1s}}]\n")
    }),
    bomb("growing-pattern", Kind::Plan, || {
        "version: 1\nname: p\nhosts: all\ninputs: {a: {type: string, pattern: '((a{999}){999}){999}', default: a}}\n\
         steps: [{wait: 1s}]\n"
            .to_owned()
    }),
    bomb("long-operators", Kind::Text, || {
        format!("{{{{ {}a }}}}", "a + ".repeat(100_000))
    }),
    bomb("deep-parentheses", Kind::Text, || "(".repeat(100_000)),
    bomb("repeated-text", Kind::Text, || {
        "{{ \"x\" * 10**9 }}".to_owned()
    }),
    bomb("repeated-list", Kind::Text, || {
        "{{ ([1] * 10**8) | length }}".to_owned()
    }),
    bomb("nested-loops", Kind::Text, || {
        let open = pieces(0..9, |n| format!("{{% for a{n} in range(1000) %}}"));
        format!("{open}x{}", "{% endfor %}".repeat(9))
    }),
    bomb("great-power", Kind::Text, || {
        "{{ 9 ** 9 ** 9 ** 9 }}".to_owned()
    }),
    bomb("wide-format", Kind::Text, || {
        "{{ \"%01000000000d\" | format(1) }}".to_owned()
    }),
    bomb("wide-indent", Kind::Text, || {
        "{{ \"a\\nb\" | indent(1000000000) }}".to_owned()
    }),
    bomb("growing-output", Kind::Text, || {
        "((a{999}){999}){999}".to_owned()
    }),
    bomb("deep-output", Kind::Text, || "[".repeat(500_000)),
    bomb("many-hosts", Kind::Inventory, || {
        "#\n[web]\nweb[1:999999999]\n".to_owned()
    }),
    bomb("many-ranges", Kind::Inventory, || {
        format!("#\n{}\n", "a[1:9]".repeat(2_000))
    }),
    bomb("shared-variables", Kind::Inventory, || {
        let note = "x".repeat(1_000_000);
        format!("all:\n  hosts: {{\"web[1:100000]\": {{}}}}\n  vars: {{note: {note}}}\n")
    }),
    bomb("circle-of-groups", Kind::Inventory, || {
        pieces(0..5_000, |n| {
            format!("#\n[g{n}:children]\ng{}\n", (n + 1) % 5_000)
        })
    }),
];

const fn bomb(name: &'static str, kind: Kind, make: fn() -> String) -> Bomb {
    Bomb { name, kind, make }
}

/// Makes a text of pieces.
fn pieces(numbers: std::ops::Range<usize>, piece: impl Fn(usize) -> String) -> String {
    numbers.map(piece).collect::<Vec<_>>().concat()
}
