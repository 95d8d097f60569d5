//! Small texts that would grow without limit.

/// What a bomb is read as.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A plan.
    Plan,
    /// An inventory.
    Inventory,
    /// A program that prints an inventory.
    Program,
    /// A template, an expression, a command line.
    Text,
    /// What a command printed, in every form that is read.
    Output,
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
    bomb("deep-blocks", Kind::Plan, || pieces(0..2_000, |n| format!("{}a:\n", " ".repeat(n)))),
    bomb("huge-scalar", Kind::Plan, || format!("name: \"{}\"\n", "x".repeat(4_000_000))),
    bomb("huge-number", Kind::Plan, || format!("version: {}\n", "9".repeat(1_000_000))),
    bomb("many-keys", Kind::Plan, || pieces(0..20_000, |n| format!("key{n}: {n}\n"))),
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
    bomb("unknown-keys", Kind::Plan, || pieces(0..100_000, |n| format!("key{n}: {n}\n"))),
    bomb("duplicate-keys", Kind::Plan, || "name: a\n".repeat(100_000)),
    bomb("duplicate-keys-of-a-plan", Kind::Plan, || {
        beside(&format!("let:\n{}", "  a: 1\n".repeat(100_000)))
    }),
    bomb("empty-steps", Kind::Plan, || plan(&"  - {}\n".repeat(100_000))),
    bomb("many-documents", Kind::Plan, || "--- a\n".repeat(100_000)),
    bomb("tags", Kind::Plan, || format!("x: [{}]\n", "!a b, ".repeat(100_000))),
    bomb("unknown-aliases", Kind::Plan, || format!("x: [{}]\n", "*a, ".repeat(100_000))),
    bomb("comments", Kind::Plan, || "# {{ }}\n".repeat(500_000)),
    bomb("yaml_fixes", Kind::Plan, || pieces(0..50_000, |n| format!("key{n}: {{{{ a }}}} b\n"))),
    bomb("long-template", Kind::Plan, || {
        effect(&format!("run: \"a {}\"", "{{ host }}".repeat(90_000)))
    }),
    bomb("long-script", Kind::Plan, || {
        let script = "      rm -rf {{ a }} | systemctl httpd stop\n".repeat(20_000);
        plan(&format!("  - shell: |\n{script}    rollback: {{none: a}}\n"))
    }),
    bomb("long-condition", Kind::Plan, || {
        plan(&format!("  - assert: {{a: \"{}true\"}}\n", "true and ".repeat(100_000)))
    }),
    bomb("many-conditions", Kind::Plan, || {
        let long = "a == 1 and ".repeat(200);
        plan(&format!("  - assert: {{a: \"{long}true\"}}\n").repeat(500))
    }),
    bomb("many-patterns", Kind::Plan, || {
        let inputs = pieces(0..500, |n| {
            format!("  a{n}: {{type: string, pattern: '(b{{99}}){{99}}', default: a}}\n")
        });
        beside(&format!("inputs:\n{inputs}"))
    }),
    bomb("long-pattern-of-hosts", Kind::Plan, || {
        format!(
            "version: 1\nname: p\nhosts: \"{}\"\nsteps: [{{wait: 1s}}]\n",
            "web:&a:!b:".repeat(100_000)
        )
    }),
    bomb("deep-steps", Kind::Plan, || {
        let open = pieces(0..22, |_| "{block: [".to_owned());
        plan(&format!("  - {open}{}{}\n", "{wait: 1s}, ".repeat(20_000), "]}".repeat(22)))
    }),
    bomb("nested-filters", Kind::Text, || format!("{{{{ a{} }}}}", " | upper".repeat(100_000))),
    bomb("nested-negations", Kind::Text, || format!("{{{{ {}a }}}}", "not ".repeat(100_000))),
    bomb("growing-text", Kind::Text, || {
        format!("{{{{ text{} }}}}", " | replace(\"\", text)".repeat(100))
    }),
    bomb("growing-set", Kind::Text, || {
        format!("{{% set a = text %}}{}{{{{ a }}}}", "{% set a = a ~ a ~ a ~ a %}".repeat(200))
    }),
    bomb("many-tags", Kind::Text, || "{{ text }}".repeat(100_000)),
    bomb("open-templates", Kind::Text, || "{{".repeat(300_000)),
    bomb("open-quotes", Kind::Text, || "a'b\"".repeat(200_001)),
    bomb("choices", Kind::Output, || "(a|b|ab)*c".repeat(1_500)),
    bomb("long-operators", Kind::Text, || format!("{{{{ {}a }}}}", "a + ".repeat(100_000))),
    bomb("deep-parentheses", Kind::Text, || "(".repeat(100_000)),
    bomb("repeated-text", Kind::Text, || "{{ \"x\" * 10**9 }}".to_owned()),
    bomb("repeated-list", Kind::Text, || "{{ ([1] * 10**8) | length }}".to_owned()),
    bomb("nested-loops", Kind::Text, || {
        let open = pieces(0..9, |n| format!("{{% for a{n} in range(1000) %}}"));
        format!("{open}x{}", "{% endfor %}".repeat(9))
    }),
    bomb("great-power", Kind::Text, || "{{ 9 ** 9 ** 9 ** 9 }}".to_owned()),
    bomb("wide-format", Kind::Text, || "{{ \"%01000000000d\" | format(1) }}".to_owned()),
    bomb("wide-indent", Kind::Text, || "{{ \"a\\nb\" | indent(1000000000) }}".to_owned()),
    bomb("growing-output", Kind::Output, || "((a{999}){999}){999}".to_owned()),
    bomb("deep-output", Kind::Output, || "[".repeat(500_000)),
    bomb("many-hosts", Kind::Inventory, || "#\n[web]\nweb[1:999999999]\n".to_owned()),
    bomb("many-ranges", Kind::Inventory, || format!("#\n{}\n", "a[1:9]".repeat(2_000))),
    bomb("shared-variables", Kind::Inventory, || {
        let note = "x".repeat(1_000_000);
        format!("all:\n  hosts: {{\"web[1:100000]\": {{}}}}\n  vars: {{note: {note}}}\n")
    }),
    bomb("circle-of-groups", Kind::Inventory, || {
        pieces(0..5_000, |n| format!("#\n[g{n}:children]\ng{}\n", (n + 1) % 5_000))
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
    bomb("bad-lines", Kind::Inventory, || ini(&"[a\n= b\n".repeat(100_000))),
    bomb("bad-variables", Kind::Inventory, || ini(&"web a=[1, b='c\n".repeat(50_000))),
    bomb("groups-without-hosts", Kind::Inventory, || {
        pieces(0..20_000, |n| format!("#\n[a{n}:children]\nb{n}\n"))
    }),
    bomb("json-open", Kind::Inventory, || format!("{{\"all\": {}", "[".repeat(500_000))),
    bomb("json-ranges", Kind::Inventory, || {
        let hosts = pieces(0..5_000, |n| format!("\"h{n}[1:99999]\", "));
        format!("{{\"web\": {{\"hosts\": [{hosts}\"a\"]}}}}")
    }),
    bomb("json-numbers", Kind::Inventory, || {
        format!("{{\"all\": {{\"vars\": {{\"a\": {}}}}}}}", "9".repeat(2_000_000))
    }),
    bomb("yaml-duplicates", Kind::Inventory, || {
        format!("all:\n  hosts:\n{}", "    a: {}\n".repeat(100_000))
    }),
    bomb("yaml-merges", Kind::Inventory, || {
        let steps =
            pieces(1..60, |n| format!("  a{n}: &a{n} {{<<: [*a{0}, *a{0}], b{n}: 1}}\n", n - 1));
        format!("all:\n vars:\n  a0: &a0 {{a: 1}}\n{steps}")
    }),
    bomb("long-command", Kind::Plan, || effect(&format!("run: \"{}\"", "a ".repeat(480_000)))),
    bomb("long-list-of-words", Kind::Plan, || {
        effect(&format!("run: [{}a]", "a, ".repeat(330_000)))
    }),
    bomb("long-list", Kind::Plan, || format!("x: [{}a]\n", "a,".repeat(500_000))),
    bomb("long-items", Kind::Plan, || {
        effect(&format!("run: a, for_each: [{}a]", "a, ".repeat(330_000)))
    }),
    bomb("long-mapping", Kind::Plan, || {
        let env = pieces(0..100_000, |n| format!("a{n}: b, "));
        effect(&format!("run: a, env: {{{env}}}"))
    }),
    bomb("many-classes", Kind::Plan, || {
        let pattern = r"\w".repeat(8_000);
        beside(&format!("inputs: {{a: {{type: string, pattern: '{pattern}', default: a}}}}\n"))
    }),
    bomb("many-words", Kind::Plan, || {
        let words = pieces(0..50_000, |n| format!("  w{n}: true\n"));
        beside(&format!("let:\n{words}"))
    }),
    bomb("many-anchors", Kind::Plan, || format!("x: [{}]\n", "&a a, ".repeat(160_000))),
    bomb("many-inputs", Kind::Plan, || {
        let inputs = pieces(0..35_000, |n| format!("  a{n}: {{type: strong}}\n"));
        beside(&format!("inputs:\n{inputs}"))
    }),
    bomb("long-text", Kind::Plan, || {
        plan(&format!("  - fail: >\n{}", "      a\n".repeat(120_000)))
    }),
    bomb("escapes", Kind::Plan, || plan(&format!("  - fail: \"{}\"\n", "\\u0041".repeat(160_000)))),
    bomb("names-in-a-text", Kind::Plan, || {
        plan(&format!("  - fail: \"{}\"\n", "{{ absent }} ".repeat(9_900)))
    }),
    bomb("many-claims", Kind::Plan, || {
        plan(&format!("  - assert:\n{}", pieces(0..60_000, |n| format!("      a{n}: true\n"))))
    }),
    bomb("many-rows", Kind::Output, || "a\tb\n".repeat(250_000)),
    bomb("rows-within-bounds", Kind::Output, || {
        format!("h\tk\n{}", pieces(0..90_000, |n| format!("a{n}\tb\n")))
    }),
    bomb("many-pairs", Kind::Output, || pieces(0..90_000, |n| format!("a{n}=b\n"))),
    bomb("wide-row", Kind::Output, || {
        let columns = "a\t".repeat(250_000);
        format!("{columns}\n{columns}\n")
    }),
    bomb("json-output", Kind::Output, || format!("[{}1]", "1,".repeat(500_000))),
    bomb("json-objects-output", Kind::Output, || format!("[{}{{}}]", "{},".repeat(330_000))),
    bomb("bad-groups", Kind::Inventory, || ini(&"[a b]\n".repeat(100_000))),
    bomb("bad-group-names", Kind::Inventory, || ini(&pieces(0..70_000, |n| format!("[a{n} b]\n")))),
    bomb("bad-hosts", Kind::Inventory, || ini(&"-a\n".repeat(300_000))),
    bomb("bad-ranges", Kind::Inventory, || ini(&"a[9:1]\n".repeat(140_000))),
    bomb("many-empty-groups", Kind::Inventory, || ini(&pieces(0..90_000, |n| format!("[g{n}]\n")))),
    bomb("yaml-groups", Kind::Inventory, || pieces(0..60_000, |n| format!("all{n}:\n"))),
    bomb("yaml-list", Kind::Inventory, || format!("all: [{}a]\n", "a,".repeat(500_000))),
    bomb("yaml-variables", Kind::Inventory, || {
        format!("all: {{vars: {{a: [{}a]}}}}\n", "a,".repeat(500_000))
    }),
    bomb("json-list", Kind::Inventory, || format!("{{\"all\": [{}1]}}", "1,".repeat(500_000))),
    bomb("json-keys", Kind::Inventory, || {
        format!("{{\"all\": {{{}\"a\": 1}}}}", pieces(0..60_000, |n| format!("\"a{n}\":1,")))
    }),
    bomb("settings-of-a-host", Kind::Inventory, || {
        format!("#\n[web]\na {}\n", "b=c ".repeat(250_000))
    }),
    bomb("variables-of-a-host", Kind::Inventory, || {
        format!("#\n[web]\na {}\n", pieces(0..100_000, |n| format!("b{n}=c ")))
    }),
    bomb("hosts-of-groups", Kind::Inventory, || {
        pieces(0..1_000, |n| format!("#\n[g{n}]\nweb[1:900]\n"))
    }),
    bomb("templates-of-hosts", Kind::Inventory, || {
        pieces(0..30_000, |n| format!("#\nw{n} ansible_port={{{{a}}}}\n"))
    }),
    bomb("variables-of-a-range", Kind::Inventory, || {
        format!("#\nweb[1:100000] {}\n", pieces(0..1_000, |n| format!("a{n}=b ")))
    }),
    bomb("shared-notes", Kind::Inventory, || {
        let note = "x".repeat(2_000);
        format!("all:\n  hosts: {{\"web[1:100000]\": {{}}}}\n  vars: {{note: {note}}}\n")
    }),
    bomb("shared-names", Kind::Inventory, || {
        let vars = pieces(0..30, |n| format!("a{n}: b, "));
        format!("all:\n  hosts: {{\"web[1:100000]\": {{}}}}\n  vars: {{{vars}}}\n")
    }),
    bomb("parents-of-many-groups", Kind::Inventory, || {
        let parents = pieces(0..5_000, |n| format!("[p{n}:children]\nmid\n"));
        let children = pieces(0..2_000, |n| format!("g{n}\n"));
        let groups = pieces(0..2_000, |n| format!("[g{n}]\nh{n}\n"));
        ini(&format!("{parents}[mid:children]\n{children}{groups}"))
    }),
    bomb("program-without-end", Kind::Program, || "#!/bin/sh\nexec yes\n".to_owned()),
    bomb("program-of-deep-json", Kind::Program, || {
        let deep = |sign| format!("head -c 4000000 /dev/zero | tr '\\0' '{sign}'\n");
        format!("#!/bin/sh\n{}{}", deep('['), deep(']'))
    }),
    bomb("program-of-many-hosts", Kind::Program, || {
        "#!/bin/sh\nprintf '{\"web\": {\"hosts\": ['\nyes '\"web1\",' | head -n 500000\necho '\"a\"]}}'\n"
            .to_owned()
    }),
    bomb("deep-groups", Kind::Inventory, || {
        let names = pieces(0..60, |n| format!("#\n[g{}:children]\ng{n}\n", n + 1));
        format!("{names}[g0]\nweb[1:50000]\n")
    }),
];

/// Returns the most memory that this process ever had, in KiB.
pub(crate) fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

const fn bomb(name: &'static str, kind: Kind, make: fn() -> String) -> Bomb {
    Bomb { name, kind, make }
}

/// Makes a plan that has nothing but steps.
fn plan(steps: &str) -> String {
    format!("version: 1\nname: p\nhosts: all\nsteps:\n{steps}")
}

/// Makes a plan of one step that has an effect.
fn effect(action: &str) -> String {
    plan(&format!("  - {{{action}, idempotent: true, rollback: {{none: a}}}}\n"))
}

/// Makes a plan with something in addition to its steps.
fn beside(part: &str) -> String {
    format!("{}{part}", plan("  - wait: 1s\n"))
}

/// Makes an INI inventory: by its first byte it is known for one.
fn ini(lines: &str) -> String {
    format!("#\n{lines}")
}

/// Makes a text of pieces.
fn pieces(numbers: std::ops::Range<usize>, piece: impl Fn(usize) -> String) -> String {
    numbers.map(piece).collect::<Vec<_>>().concat()
}
