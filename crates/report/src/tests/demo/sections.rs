//! Its sections.

use super::*;

pub(super) fn separation(r: &mut Lcg) -> Section {
    let mut curve = |name: &str, height: f64, width: f64, gap: Option<usize>| {
        let point = |layer: usize, r: &mut Lcg| {
            let x = layer as f64;
            if gap == Some(layer) {
                return CurvePoint::new(x, f64::NAN);
            }
            let y = 0.5
                + height * (1.0 - (-(x / 7.0)).exp()) * (1.0 - (x - 18.0).powi(2) / 900.0)
                + r.normal() * 0.008;
            CurvePoint::new(x, y).band(y - width, (y + width * 0.8).min(1.0))
        };
        Series::new(name, (0..30).map(|l| point(l, r)).collect())
    };
    let held_out = curve("held-out axes", 0.44, 0.06, Some(9));
    let rewritten = curve("rewritten texts", 0.33, 0.08, None);
    let mut random = curve("random labels", 0.0, 0.05, None);
    random.control = true;
    let reading = Curve {
        x: Axis::new("block"),
        y: Axis::new("AUROC").range(0.4, 1.0),
        series: vec![held_out, rewritten, random],
        x_marks: vec![Mark::at(18.0, "site chosen on training axes")],
        y_marks: vec![Mark::at(0.5, "chance")],
    };
    let dose = |slope: f64, name: &str| {
        let points = [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0].map(|a: f64| {
            let y = slope * a.tanh();
            CurvePoint::new(a, y).band(y - 0.3, y + 0.3)
        });
        Series::new(name, points.to_vec())
    };
    let steering = Curve {
        x: Axis::new("α").unit("mean residual norms"),
        y: Axis::new("log-odds of the chosen answer").unit("nats"),
        series: vec![dose(1.4, "direction"), Series { control: true, ..dose(0.1, "random direction") }],
        x_marks: vec![Mark::span(-1.0, 1.0, "working range")],
        y_marks: vec![],
    };
    let damage = Curve {
        x: Axis::new("α").unit("mean residual norms"),
        y: Axis::new("KL to the unsteered model").unit("nats per token"),
        series: vec![Series::new(
            "KL",
            [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0].map(|a: f64| CurvePoint::new(a, 0.4 * a * a)).to_vec(),
        )],
        ..Curve::default()
    };
    let null = Histogram {
        x: Axis::new("AUROC"),
        null_name: "shuffled labels".into(),
        null: (0..1000).map(|_| Num::new(0.5 + r.normal() * 0.06)).collect(),
        marks: vec![Mark::at(0.91, "observed 0.91")],
        ..Histogram::default()
    };
    Section::new(
        "separation",
        "Held-out separation",
        "The direction separates pairs of axes that it was not trained on from block 6 upwards.",
    )
    .with(Block::Paragraph {
        text: Rich::default()
            .plain("Each pair is read at the last token of ")
            .code("resid_post.L")
            .plain("; blocks count from 0. The direction is fitted on eleven axes and tested on four, ")
            .with(Span::Em("never".into()))
            .plain(" on pairs of the same axis. The audit is in ")
            .with(Span::Link { to: "audit".into(), text: "the next but one section".into() })
            .plain("."),
    })
    .with(Figure::new(
        "reading-curve",
        "Separation of held-out pairs by block",
        reading,
        "AUROC of 36 held-out pairs; bands: 95 % intervals, cluster bootstrap over 4 axes, 2000 draws.",
        "That the model uses what is read here. A block where reading works need not be one where steering works.",
    ))
    .with(Figure::new(
        "null",
        "The observed AUROC against its null",
        null,
        "1000 shuffles of the labels within pairs, the choice of block and of regularisation included.",
        "How large the effect is under another choice of pairs.",
    ))
    .with(Block::Row {
        figures: vec![
            Figure::new(
                "dose",
                "Dose and response",
                steering,
                "Mean over 16 prompts; bands: 95 % intervals.",
                "Whether the text reads well at that dose.",
            ),
            Figure::new("damage", "Damage", damage, "Mean over 16 neutral prompts.", "Damage to other skills."),
        ],
    })
    .with(Block::note(NoteKind::Method, "α is in mean residual norms of the block over neutral prompts."))
}

pub(super) fn agreement() -> Section {
    let names = ["mean difference", "logistic", "LDA", "PCA of differences", "sentiment", "length"];
    let values = [
        [1.0, 0.86, 0.74, 0.91, 0.21, -0.08],
        [0.86, 1.0, 0.81, 0.72, 0.17, -0.03],
        [0.74, 0.81, 1.0, 0.63, 0.09, 0.02],
        [0.91, 0.72, 0.63, 1.0, 0.33, f64::NAN],
        [0.21, 0.17, 0.09, 0.33, 1.0, 0.12],
        [-0.08, -0.03, 0.02, f64::NAN, 0.12, 1.0],
    ];
    let rows = names.iter().zip(values).map(|(n, v)| HeatRow::new(*n, v.map(Num::new).to_vec())).collect();
    let steps: Vec<String> = (0..24).map(|i| format!("step {}", i * 1000)).collect();
    let many = steps
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let cells =
                (0..24).map(|j| Num::new(0.5 + 0.5 * (-((i as f64 - j as f64) / 9.0).powi(2)).exp() - 0.08));
            HeatRow::new(n, cells.collect())
        })
        .collect();
    let probing = HeatMap {
        value: "AUROC".into(),
        centre: Num::new(0.5),
        span: Num::new(0.5),
        digits: 2,
        columns: steps,
        rows: many,
    };
    Section::new("agreement", "Agreement of estimators", "Four estimators find much the same direction.")
        .with(Figure::new(
            "cosines",
            "Cosine between directions",
            HeatMap::cosine(names.map(str::to_owned).to_vec(), rows),
            "99 training pairs each. Two random directions of width 576 have |cosine| below 0.08 in 95 % of draws.",
            "Which estimator is right: all four can share a bias of the pairs.",
        ))
        .with(Block::Details {
            summary: "Probing across checkpoints".into(),
            blocks: vec![Block::Figure(Figure::new(
                "checkpoints",
                "A probe of one checkpoint on another",
                probing,
                "Rows: trained on; columns: tested on.",
                "Why a probe stops working.",
            ))],
        })
}

pub(super) fn audit() -> Section {
    let row = |group: &str, label: &str, e: f64, w: f64, n: u64, status: FindingStatus| ForestRow {
        label: label.into(),
        group: Some(group.into()),
        estimate: Num::new(e),
        interval: [Num::new(e - w), Num::new(e + w)],
        null: Some([Num::new(-0.16), Num::new(0.16)]),
        n,
        status: Some(status),
    };
    let mut rows = vec![
        row("Cosine with the direction", "sentiment", 0.21, 0.18, 64, FindingStatus::Unclear),
        row("Cosine with the direction", "length", -0.04, 0.11, 135, FindingStatus::Supported),
        row(
            "Cosine with the direction",
            "action against inaction",
            0.34,
            0.12,
            40,
            FindingStatus::NotSupported,
        ),
        row(
            "After projection",
            "sentiment (circular: tested on its own data)",
            0.0,
            0.02,
            64,
            FindingStatus::Caution,
        ),
        row("After projection", "politeness", 0.11, 0.14, 1240, FindingStatus::Supported),
    ];
    rows.push(ForestRow { estimate: Num::missing("set has one class only"), ..rows[4].clone() });
    rows[5].label = "assertiveness".into();
    rows[5].status = Some(FindingStatus::Unclear);
    rows[5].interval = [Num::missing("set has one class only"), Num::missing("set has one class only")];
    let mut table = Table::new(
        "audit-table",
        "Audit of confounds. p values two-sided, 10 000 draws, adjusted by Holm over the five rows.",
        "Confounds that no set was written for.",
        vec![
            Column::new("confound"),
            Column::new("n"),
            Column::new("cosine"),
            Column::with_unit("recovery", "AUROC"),
            Column::new("p"),
            Column::new("p, adjusted"),
            Column::new("verdict"),
        ],
    );
    for (f, p) in rows.iter().zip([0.028, 0.61, 0.000_01, 1.0, 0.17, f64::NAN]) {
        table.push(vec![
            f.label.clone().into(),
            f.n.into(),
            Cell::estimate(f.estimate.clone(), f.interval[0].clone(), f.interval[1].clone(), 2),
            f.estimate.get().map_or(Cell::empty("one class only"), |e| Cell::number(0.5 + e, 3)),
            Cell::p(Test::AuditMatched, p, Some(10_000)),
            Cell::adjusted(
                Test::AuditMatched,
                Adjustment::Holm,
                (p * 5.0).min(if p.is_nan() { p } else { 1.0 }),
                None,
            ),
            f.status.unwrap().into(),
        ]);
    }
    let forest =
        Forest { x: Axis::new("cosine"), reference: Some(Mark::at(0.0, "no relation")), digits: 2, rows };
    Section::new("audit", "Audit of confounds", "Action against inaction is not ruled out.")
        .with(Figure::new(
            "audit-forest",
            "Cosine with directions of confounds",
            forest,
            "95 % intervals, bootstrap over texts; null: random directions of the same norm.",
            "That a cosine near 0 makes two concepts independent in the model.",
        ))
        .with(table)
        .with(Block::note(
            NoteKind::Warning,
            "The sentiment set was projected out and then tested: that row is circular.",
        ))
}

/// `n` rows of a board in order of score.
pub(in crate::tests) fn board_rows(n: usize, r: &mut Lcg) -> Vec<BoardRow> {
    let mut rows: Vec<BoardRow> = (0..n)
        .map(|i| {
            let score = r.normal() * 0.02 + if i % 6 == 0 { 0.03 } else { -0.005 };
            BoardRow {
                rank: Num::default(),
                label: if i < 18 { TEXTS[i].into() } else { format!("{} no. {i}", TEXTS[i % 18]) },
                group: KINDS[i % 6].into(),
                score: Num::new(score),
                interval: Some([Num::new(score - 0.008), Num::new(score + 0.008)]),
                z: Num::new(score * 260.0),
            }
        })
        .collect();
    rows.sort_by(|a, b| b.score.get().unwrap().total_cmp(&a.score.get().unwrap()));
    for (i, row) in rows.iter_mut().enumerate() {
        row.rank = Num::new((i + 1) as f64);
    }
    rows
}

pub(super) fn board(r: &mut Lcg) -> Section {
    let rows = board_rows(96, r);
    let groups = KINDS.map(|k| StripGroup {
        label: k.into(),
        points: rows
            .iter()
            .filter(|b| b.group == k)
            .map(|b| LabelledValue { label: b.label.clone(), value: b.score.clone() })
            .collect(),
    });
    let strip = Strip {
        x: Axis::new("score").unit("cosine"),
        reference: Some(Mark::span(-0.012, 0.012, "95 % of random directions")),
        groups: groups.to_vec(),
    };
    let mut table = Table::new(
        "board-table",
        "All 96 sequences. z: score over what a random direction would give.",
        "What the sequence means to the model; a score is a shift along one direction.",
        ["rank", "sequence", "kind", "score", "z", "p"].map(Column::new).to_vec(),
    );
    for b in &rows {
        table.push(vec![
            Cell::number(b.rank.clone(), 0),
            b.label.as_str().into(),
            b.group.as_str().into(),
            Cell::number(b.score.clone(), 4),
            Cell::number(b.z.clone(), 1),
            Cell::p(Test::BoardUniform, (-b.z.get().unwrap().abs()).exp(), None),
        ]);
    }
    let board = Board { x: Axis::new("score").unit("cosine"), digits: 3, rows };
    Section::new(
        "board",
        "Board of sequences",
        "Prose for values leads; symbols are spread over the whole board.",
    )
    .with(Figure::new(
        "board-figure",
        "The two ends of the board",
        board,
        "Score: mean shift along the direction over 16 probes; grey: 95 % interval over probes.",
        "That a sequence high on the board makes the model act better.",
    ))
    .with(Figure::new(
        "kinds",
        "Scores by kind of sequence",
        strip,
        "A dot a sequence; the long line is the median of its kind.",
        "Differences within a kind that come from length.",
    ))
    .with(table)
}

pub(super) fn transfer(r: &mut Lcg) -> Section {
    let rows = board_rows(60, r);
    let points: Vec<ScatterPoint> = rows
        .iter()
        .enumerate()
        .map(|(i, b)| ScatterPoint {
            label: b.label.clone(),
            named: !(6..55).contains(&i),
            group: b.group.clone(),
            x: b.score.clone(),
            y: Num::new(b.score.get().unwrap() * 0.6 + r.normal() * 0.015),
        })
        .collect();
    let mut order: Vec<usize> = (0..24).collect();
    order.sort_by(|a, b| points[*b].y.get().unwrap().total_cmp(&points[*a].y.get().unwrap()));
    let slopes = order
        .iter()
        .enumerate()
        .map(|(to, from)| SlopeRow {
            label: points[*from].label.clone(),
            group: String::new(),
            ranks: vec![Num::new((from + 1) as f64), Num::new((to + 1) as f64)],
        })
        .collect();
    let scatter = Scatter {
        x: Axis::new("score, demo-135m").unit("cosine"),
        y: Axis::new("score, demo-270m").unit("cosine"),
        diagonal: true,
        points,
    };
    Section::new("transfer", "Transfer between two models", "The order of sequences does not carry over.")
        .with(Figure::new(
            "two-models",
            "Scores in two models",
            scatter,
            "60 sequences. Spearman ρ = 0.12 [−0.09, 0.32], null [−0.20, 0.20].",
            "Agreement of the directions themselves: the two models have different spaces.",
        ))
        .with(Figure::new(
            "ranks",
            "Change of rank",
            Slope {
                columns: vec!["demo-135m".into(), "demo-270m".into()],
                mover: Num::new(6.0),
                rows: slopes,
            },
            "The 24 sequences that lead in the first model.",
            "Changes below the top 24.",
        ))
}

pub(super) fn limits() -> Section {
    Section::new("limits", "Methods and limits", "What was chosen, and where the result ends.")
        .with(Block::List {
            ordered: false,
            items: vec![
                "Pairs were written by few people in one language.".into(),
                Rich::default()
                    .with(Span::Strong("One model of 135 M parameters.".into()))
                    .plain(" Nothing here says how larger ones behave."),
                Rich::default().plain("Formula: ").code("z = √H · cos(δ̄, d) · coherence").plain("."),
            ],
        })
        .with(Block::note(
            NoteKind::Limit,
            "Four held-out axes are few: the intervals over axes are wide for that reason.",
        ))
        .with(Block::note(NoteKind::Remark, "Seeds reproduce every figure."))
        .with(
            KeyValueList::new("Seeds")
                .with("split", Cell::code("1"))
                .with("bootstrap", Cell::code("20251"))
                .with("a value that is missing", Cell::number(f64::INFINITY, 2)),
        )
        .with(Block::Details {
            summary: "Software".into(),
            blocks: vec![Block::text("Versions of all libraries are in the lock file.")],
        })
}
