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
    bomb("unknown-keys", Kind::Plan, || {
        pieces(0..100_000, |n| format!("key{n}: {n}\n"))
    }),
    bomb("duplicate-keys", Kind::Plan, || "name: a\n".repeat(100_000)),
    bomb("duplicate-keys-of-a-plan", Kind::Plan, || {
        format!(
            "{}let:\n{}",
            plan("  - wait: 1s\n"),
            "  a: 1\n".repeat(100_000)
        )
    }),
    bomb("empty-steps", Kind::Plan, || {
        plan(&"  - {}\n".repeat(100_000))
    }),
    bomb("many-documents", Kind::Plan, || "--- a\n".repeat(100_000)),
    bomb("tags", Kind::Plan, || {
        format!("x: [{}]\n", "!a b, ".repeat(100_000))
    }),
    bomb("unknown-aliases", Kind::Plan, || {
        format!("x: [{}]\n", "*a, ".repeat(100_000))
    }),
    bomb("comments", Kind::Plan, || "# {{ }}\n".repeat(500_000)),
    bomb("slips", Kind::Plan, || {
        pieces(0..50_000, |n| format!("key{n}: {{{{ a }}}} b\n"))
    }),
    bomb("long-template", Kind::Plan, || {
        plan(&format!(
            "  - {{run: \"a {}\", idempotent: true, rollback: {{none: a}}}}\n",
            "{{ host }}".repeat(90_000)
        ))
    }),
    bomb("long-script", Kind::Plan, || {
        let script = "      rm -rf {{ a }} | systemctl httpd stop\n".repeat(20_000);
        plan(&format!(
            "  - shell: |\n{script}    rollback: {{none: a}}\n"
        ))
    }),
    bomb("long-condition", Kind::Plan, || {
        plan(&format!(
            "  - assert: {{a: \"{}true\"}}\n",
            "true and ".repeat(100_000)
        ))
    }),
    bomb("many-conditions", Kind::Plan, || {
        let long = "a == 1 and ".repeat(200);
        plan(&format!("  - assert: {{a: \"{long}true\"}}\n").repeat(500))
    }),
    bomb("many-patterns", Kind::Plan, || {
        let inputs = pieces(0..500, |n| {
            format!("  a{n}: {{type: string, pattern: '(b{{99}}){{99}}', default: a}}\n")
        });
        format!("{}inputs:\n{inputs}", plan("  - wait: 1s\n"))
    }),
    bomb("long-pattern-of-hosts", Kind::Plan, || {
        format!(
            "version: 1\nname: p\nhosts: \"{}\"\nsteps: [{{wait: 1s}}]\n",
            "web:&a:!b:".repeat(100_000)
        )
    }),
    bomb("deep-steps", Kind::Plan, || {
        let open = pieces(0..22, |_| "{block: [".to_owned());
        plan(&format!(
            "  - {open}{}{}\n",
            "{wait: 1s}, ".repeat(20_000),
            "]}".repeat(22)
        ))
    }),
    bomb("nested-filters", Kind::Text, || {
        format!("{{{{ a{} }}}}", " | upper".repeat(100_000))
    }),
    bomb("nested-negations", Kind::Text, || {
        format!("{{{{ {}a }}}}", "not ".repeat(100_000))
    }),
    bomb("growing-text", Kind::Text, || {
        format!("{{{{ text{} }}}}", " | replace(\"\", text)".repeat(100))
    }),
    bomb("growing-set", Kind::Text, || {
        format!(
            "{{% set a = text %}}{}{{{{ a }}}}",
            "{% set a = a ~ a ~ a ~ a %}".repeat(200)
        )
    }),
    bomb("many-tags", Kind::Text, || "{{ text }}".repeat(100_000)),
    bomb("open-templates", Kind::Text, || "{{".repeat(300_000)),
    bomb("open-quotes", Kind::Text, || "a'b\"".repeat(200_001)),
    bomb("choices", Kind::Text, || "(a|b|ab)*c".repeat(1_500)),
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
    bomb("circle-of-many-groups", Kind::Inventory, || {
        let all = pieces(0..400, |n| format!("g{n}\n"));
        pieces(0..400, |n| format!("#\n[g{n}:children]\n{all}"))
    }),
    bomb("groups-that-double", Kind::Inventory, || {
        pieces(0..60, |n| {
            format!(
                "#\n[g{n}:children]\na{0}\nb{0}\n[a{n}:children]\ng{1}\n[b{n}:children]\ng{1}\n",
                n,
                n + 1
            )
        })
    }),
    bomb("bad-lines", Kind::Inventory, || {
        format!("#\n{}", "[a\n= b\n".repeat(100_000))
    }),
    bomb("bad-variables", Kind::Inventory, || {
        format!("#\n{}", "web a=[1, b='c\n".repeat(50_000))
    }),
    bomb("groups-without-hosts", Kind::Inventory, || {
        pieces(0..20_000, |n| format!("#\n[a{n}:children]\nb{n}\n"))
    }),
    bomb("json-open", Kind::Inventory, || {
        format!("{{\"all\": {}", "[".repeat(500_000))
    }),
    bomb("json-ranges", Kind::Inventory, || {
        let hosts = pieces(0..5_000, |n| format!("\"h{n}[1:99999]\", "));
        format!("{{\"web\": {{\"hosts\": [{hosts}\"a\"]}}}}")
    }),
    bomb("json-numbers", Kind::Inventory, || {
        format!(
            "{{\"all\": {{\"vars\": {{\"a\": {}}}}}}}",
            "9".repeat(2_000_000)
        )
    }),
    bomb("yaml-duplicates", Kind::Inventory, || {
        format!("all:\n  hosts:\n{}", "    a: {}\n".repeat(100_000))
    }),
    bomb("yaml-merges", Kind::Inventory, || {
        let steps = pieces(1..60, |n| {
            format!("  a{n}: &a{n} {{<<: [*a{0}, *a{0}], b{n}: 1}}\n", n - 1)
        });
        format!("all:\n vars:\n  a0: &a0 {{a: 1}}\n{steps}")
    }),
];

/// Returns the most memory that this process ever had, in KiB.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

const fn bomb(name: &'static str, kind: Kind, make: fn() -> String) -> Bomb {
    Bomb { name, kind, make }
}

/// Makes a plan that has nothing but steps.
fn plan(steps: &str) -> String {
    format!("version: 1\nname: p\nhosts: all\nsteps:\n{steps}")
}

/// Makes a text of pieces.
fn pieces(numbers: std::ops::Range<usize>, piece: impl Fn(usize) -> String) -> String {
    numbers.map(piece).collect::<Vec<_>>().concat()
}
