//! Where values are in a script for `sh`.

use planrun::template::script::*;

fn found(script: &str) -> Vec<(&str, Within)> {
    let all = misplaced(script).into_iter();
    all.map(|(range, within)| (&script[range], within)).collect()
}

#[test]
fn a_value_may_stand_wherever_a_word_may() {
    for script in [
        "echo {{ a }} x{{ a }}y; echo 'it''s' {{ a }}",
        "echo \"now: \"{{ a }}\" it\"",
        "echo \"$(basename {{ a }})\" `id` {{ a }}",
        "echo it\\'s {{ a }}",
        "echo a#b {{ a }} # it's\necho {{ b }}",
        "cat <<END {{ a }}\nit's\nEND\necho {{ b }}",
        "cat <<<{{ a }}\necho {{ b }}",
        "echo $((1 + (2))) {{ a }}; (cd {{ a }}; echo \")\" {{ a }})",
        "case {{ a }} in x) echo {{ b }};; esac",
        "{% if it == \"'\" %}echo {{ a }}{% endif %} {# it's #}{{ b }}",
        "echo \"{{ a | raw }} {{ a | lower | raw | allow_empty }}\"",
        "echo {{ \"'\" }} {{ a }}",
        "echo `id # it's` {{ a }}; x=`echo '\\`'` {{ a }}",
        "x=\"$(case $1 in a) echo {{ a }};; (b) id {{ a }};; esac)\" {{ a }}",
        "echo ${x:-'}'} \"${x#\"}\"}\" {{ a }}",
        "cat <<'A B' <<E; echo {{ a }}\nit's\nA B\n\"\nE\necho {{ a }}",
        "echo \\\\{{ a }} $ {{ a }} {{ a }}$",
        "{% if x %}echo \"a\" {% elif y %}b{% else %}'c'{% endif %} {{ a }}",
        "[ {{ a }} = x ] && x={{ a }} && echo $x{{ a }} $(( 1 + $(id {{ a }}) ))",
        "echo case {{ a }}; echo $(echo case) {{ a }}",
        "echo $'a b' {{ a }}",
        "((1 + 1)); (echo {{ a }})",
        "case x in [[:alpha:]x]) echo {{ a }};; esac",
    ] {
        assert_eq!(found(script), [], "{script}");
    }
}

#[test]
fn only_the_last_filter_takes_the_quotes_away() {
    for value in ["{{ a | raw | lower }}", "{{ a ~ '| raw |' }}", "{{ a if b else c | raw }}"] {
        let script = format!("echo \"{value}\"");
        assert_eq!(found(&script), [(value, Within::Quotes('"'))]);
    }
}

#[test]
fn no_script_makes_it_panic() {
    let parts = [
        "`",
        "\"",
        "'",
        "$(",
        "$((",
        "${",
        ")",
        "))",
        "}",
        "((",
        "[[",
        "]]",
        "case",
        "esac",
        "\n",
        "<<E",
        "<<'",
        "E",
        "\\",
        "#",
        "{{ a }}",
        "{{",
        "{% if a %}",
        "{% endif %}",
        "é",
        "$'",
        " ",
    ];
    let mut seed = 7_usize;
    for _ in 0..20_000 {
        let mut script = String::new();
        for _ in 0..seed % 14 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            script.push_str(parts[(seed >> 33) % parts.len()]);
        }
        seed = seed.wrapping_add(1);
        for (range, _) in misplaced(&script) {
            assert!(script.get(range).is_some());
        }
    }
}

#[test]
fn a_value_in_quotes_of_the_script_is_found() {
    let a = "{{ a }}";
    for (script, within) in [
        ("echo \"{{ a }}\"", Within::Quotes('"')),
        ("echo '{{ a }}'", Within::Quotes('\'')),
        ("echo \"it's {{ a }}", Within::Quotes('"')),
        ("echo \"$(echo \"{{ a }}\")\"", Within::Quotes('"')),
        ("echo \"$(echo ')')\" 'x {{ a }}'", Within::Quotes('\'')),
        ("echo $(( {{ a }} + 1 ))", Within::Arithmetic),
        ("cat <<END\nx {{ a }}\nEND\necho {{ b }}", Within::HereDocument),
        ("cat <<-'END' >f\n\t{{ a }}\n\tEND\necho {{ b }}", Within::HereDocument),
        ("true # {{ a }}\necho {{ b }}", Within::Comment),
        ("echo `basename {{ a }}`", Within::Backquotes),
        ("echo \"`basename {{ a }}`\"", Within::Backquotes),
        ("echo `basename \"{{ a }}\"`", Within::Backquotes),
        ("echo `basename $(id {{ a }})`", Within::Backquotes),
        ("echo `a \\`basename {{ a }}\\``", Within::Backquotes),
        ("echo \"$(case $1 in a) echo \"{{ a }}\";; esac)\"", Within::Quotes('"')),
        ("echo \"$(echo case) {{ a }}\"", Within::Quotes('"')),
        ("echo \"${x:-{{ a }}}\"", Within::Parameter),
        ("echo ${x:-{{ a }}}", Within::Parameter),
        ("echo \"${x#\"}\"{{ a }}}\"", Within::Parameter),
        ("echo ${{ a }}", Within::Joined('$')),
        ("echo \\{{ a }}", Within::Joined('\\')),
        ("echo \\\\\\{{ a }}", Within::Joined('\\')),
        ("((x == {{ a }}))", Within::Arithmetic),
        ("for ((i = {{ a }}; i; i--)); do :; done", Within::Arithmetic),
        ("echo $[ {{ a }} + 1 ]", Within::Arithmetic),
        ("if [[ {{ a }} -eq 1 ]]; then :; fi", Within::Test),
        ("cat <<{{ a }}\nx\n", Within::HereDocument),
        ("cat <<'A B'\nA\n{{ a }}\nA B", Within::HereDocument),
        ("echo $'a\\'b' ' {{ a }}", Within::Unsure),
        ("echo $'{{ a }}'", Within::Quotes('\'')),
        ("{% if x %}\"{% endif %} {{ a }}", Within::Block),
        ("{% if x %}'{% else %}'{% endif %} {{ a }}", Within::Block),
        ("echo \"$(cat <<E\n{{ a }}\nE\n)\"", Within::HereDocument),
        ("echo '{{ a }}' # it's\necho \"b\"", Within::Quotes('\'')),
    ] {
        assert_eq!(found(script), [(a, within)], "{script}");
    }
}
