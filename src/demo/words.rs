//! Vocabulary of the demo site: one table for each language of its books.
//!
//! Data only. Every table has at least two entries. Several clauses contain quotes, backslashes and
//! markup on purpose: these must be escaped in JSON and must not be taken for HTML.

use super::chance::Chance;

/// Vocabulary of one language.
pub(super) struct Tongue {
    /// First and second halves of titles.
    pub(super) titles: [&'static [&'static str]; 2],
    /// First and second halves of personal names; `between` separates them.
    pub(super) names: [&'static [&'static str]; 2],
    pub(super) between: &'static str,
    pub(super) publishers: &'static [&'static str],
    pub(super) tags: &'static [&'static str],
    pub(super) clauses: &'static [&'static str],
    pub(super) comma: &'static str,
    pub(super) stop: &'static str,
    /// Text before and after the number of a chapter.
    pub(super) chapter: [&'static str; 2],
    pub(super) currency: &'static str,
}

/// Draws a language, mostly Chinese, as on the original site.
pub(super) fn tongue(chance: &mut Chance) -> &'static Tongue {
    match chance.below(100) {
        0..78 => &CHINESE,
        78..84 => &JAPANESE,
        84..88 => &KOREAN,
        88..92 => &RUSSIAN,
        92..95 => &ARABIC,
        _ => &LATIN,
    }
}

pub(super) const COUNTRIES: &[&str] =
    &["[美] ", "[英]", "[法] ", "（日）", "[哥伦比亚] ", "〔意〕"];

pub(super) const EMOJI: &[&str] = &["😂", "👍🏽", "📚✨", "👨‍👩‍👧‍👦", "❤️", "🇨🇳", "🤷‍♀️", "🫠"];

static CHINESE: Tongue = Tongue {
    titles: [
        &[
            "活着的",
            "百年",
            "平凡的",
            "许三观与",
            "围城外的",
            "被遗忘的",
            "深夜",
            "北方的",
            "明朝的",
            "时间的",
            "一个人的",
            "不存在的",
            "江南",
            "最后的",
            "沉默的",
            "看不见的",
        ],
        &[
            "世界",
            "孤独",
            "城市",
            "河流",
            "故事集（全三册）",
            "简史",
            "图书馆",
            "爱情：一部小说",
            "大地",
            "来信",
            "旅行",
            "那些事儿",
            "\"先生\"",
            "森林",
            "数学之美",
            "Ⅱ",
        ],
    ],
    names: [
        &[
            "余", "钱", "莫", "王", "史", "陈", "张", "沈", "鲁", "巴", "老", "贾", "阿", "金",
            "欧阳", "司马",
        ],
        &[
            "华", "钟书", "言", "小波", "铁生", "忠实", "爱玲", "从文", "迅", "金", "舍", "平凹",
            "城", "庸", "𠮷", "䶮之",
        ],
    ],
    between: "",
    publishers: &[
        "人民文学出版社",
        "上海译文出版社",
        "作家出版社",
        "生活·读书·新知三联书店",
        "南海出版公司",
        "译林出版社",
        "中信出版社",
        "广西师范大学出版社",
        "重庆出版社",
    ],
    tags: &[
        "小说",
        "历史",
        "文学",
        "中国",
        "外国文学",
        "哲学",
        "传记",
        "科幻",
        "悬疑",
        "经典",
        "计算机",
        "经济学",
        "中国文学",
        "日本",
        "随笔",
        "C++",
    ],
    clauses: &[
        "这本书讲述了一个普通人在大时代里的命运",
        "他在田埂上坐了整整一个下午",
        "母亲没有说话",
        "故事从一九四九年的冬天开始",
        "作者以冷静而克制的笔触写下了三代人的悲欢",
        "读到最后一页时窗外正下着雨",
        "许多年以后人们仍然会谈起那场大火",
        "城里的钟敲了十二下",
        "没有谁能够真正离开自己的故乡",
        "她把信折好放进抽屉的最里面",
        "所谓自由不过是选择承受什么",
        "这是一部关于记忆、遗忘与和解的小说",
        "译者在后记里写道“原文的节奏无法复制”",
        "那条河每年夏天都会改道",
        "第一版出版于一九八七年并多次再版",
        "书中收录了大量首次公开的书信和照片",
        "我们都曾以为时间会证明一切",
        "老人望着远处的山",
        "火车穿过漫长的隧道驶向北方",
        "他说\"你早晚会明白的\"然后转身走了",
        "本书曾获茅盾文学奖并被译成二十多种文字",
        "从算法到工程实践都有清楚的说明",
        "村口的槐树还在",
        "历史并不总是由胜利者书写",
        "一切都发生得太快",
        "请先阅读 C:\\readme.txt 与<第一章>的说明",
        "爱与死之间只隔着一道门",
        "她终于在异乡的车站认出了父亲的背影",
        "经济学家对此争论了将近一百年",
        "文字朴素却有着惊人的力量",
        "月光照在空荡荡的院子里",
        "谁也不知道信是什么时候寄出的",
        "这座城市从来不相信眼泪 &amp; 承诺",
        "值得反复阅读的一部杰作",
        "结尾出人意料",
        "翻译略显生硬但不影响阅读",
        "纸张和装帧都很好",
        "前半部分有些拖沓",
    ],
    comma: "，",
    stop: "。",
    chapter: ["第", "章 "],
    currency: "元",
};

static JAPANESE: Tongue = Tongue {
    titles: [
        &["ノルウェイの", "雪国と", "吾輩の", "銀河鉄道の", "コンビニ", "夜は短し"],
        &["森", "人間", "猫である", "旅人（上）", "手紙", "ｶﾀｶﾅ入門"],
    ],
    names: [
        &["村上", "川端", "夏目", "宮沢", "髙橋", "東野"],
        &["春樹", "康成", "漱石", "賢治", "圭吾", "かおり"],
    ],
    between: " ",
    publishers: &["新潮社", "講談社", "岩波書店", "文藝春秋"],
    tags: &["日本文学", "小説", "推理", "エッセイ", "漫画"],
    clauses: &[
        "国境の長いトンネルを抜けると雪国であった",
        "彼女は何も言わずに窓の外を眺めていた",
        "名前はまだない",
        "この物語は静かな港町から始まる",
        "「さようなら」と彼は小さな声で言った",
        "ページをめくる手が止まらない傑作ミステリー",
        "記憶と喪失をめぐる長い旅",
        "雨の音だけが部屋に響いていた",
        "著者が十年の歳月をかけて書き上げた大作",
    ],
    comma: "、",
    stop: "。",
    chapter: ["第", "章　"],
    currency: "円",
};

static KOREAN: Tongue = Tongue {
    titles: [
        &["채식주의자와 ", "엄마를 ", "작은 ", "82년생 ", "하얀 "],
        &["바다", "부탁해", "소년이 온다", "김지영", "사람들"],
    ],
    names: [&["한", "신", "김", "조", "황보"], &["강", "경숙", "애란", "남주", "영하"]],
    between: "",
    publishers: &["창비", "문학동네", "민음사"],
    tags: &["한국소설", "문학", "에세이", "역사"],
    clauses: &[
        "그날 밤 눈이 내리기 시작했다",
        "아무도 그의 이름을 기억하지 못했다",
        "작가는 담담한 문체로 상처를 들여다본다",
        "어머니는 오래된 사진을 꺼내 놓았다",
        "바닷가 마을의 여름은 길고 더웠다",
        "우리가 잊고 있던 시간에 대한 이야기이다",
        "\"괜찮아\" 하고 그녀가 말했다",
    ],
    comma: ", ",
    stop: ". ",
    chapter: ["제", "장 "],
    currency: "원",
};

static RUSSIAN: Tongue = Tongue {
    titles: [
        &["Преступление и ", "Мастер и ", "Отцы и ", "Тихий ", "Её "],
        &["наказание", "Маргарита", "дети", "Дон", "подъезд № 7"],
    ],
    names: [
        &["Лев", "Фёдор", "Анна", "Михаил", "Їжак"],
        &["Толстой", "Достоевский", "Ахматова", "Булгаков", "Чехов"],
    ],
    between: " ",
    publishers: &["Эксмо", "АСТ", "Наука"],
    tags: &["роман", "классика", "поэзия", "история"],
    clauses: &[
        "все счастливые семьи похожи друг на друга",
        "он долго стоял у окна и молчал",
        "снег падал на пустую площадь",
        "роман о любви, войне и памяти",
        "никто не знал, откуда пришло письмо",
        "книга переиздана с комментариями «от редакции»",
    ],
    comma: ", ",
    stop: ". ",
    chapter: ["Глава ", ". "],
    currency: " руб.",
};

static ARABIC: Tongue = Tongue {
    titles: [
        &["موسم ", "مدن ", "أولاد ", "ألف "],
        &["الهجرة إلى الشمال", "الملح", "حارتنا", "ليلة وليلة"],
    ],
    names: [&["نجيب", "الطيب", "غسان", "أحلام"], &["محفوظ", "صالح", "كنفاني", "مستغانمي"]],
    between: " ",
    publishers: &["دار الآداب", "دار الشروق"],
    tags: &["رواية", "أدب عربي", "تاريخ"],
    clauses: &[
        "كانت المدينة نائمة حين وصل القطار",
        "لم يقل شيئًا ومضى في طريقه",
        "رواية عن المنفى والذاكرة",
        "تتشابك الحكايات في هذا الكتاب الجميل",
        "في عام ١٩٦٧ تغيّر كل شيء",
    ],
    comma: "، ",
    stop: ". ",
    chapter: ["الفصل ", ": "],
    currency: " ر.س",
};

static LATIN: Tongue = Tongue {
    titles: [
        &["À la recherche de ", "Příběh ", "Cien años de ", "Żółty ", "Über die ", "Nỗi buồn "],
        &["l'été", "o řece", "niñez", "dom", "Größe", "chiến tranh"],
    ],
    names: [
        &["Gabriel", "Émile", "Karel", "Zoë", "Søren", "Bảo"],
        &["García Márquez", "Čapek", "O'Neill", "Brontë", "Kierkegård", "Wałęsa"],
    ],
    between: " ",
    publishers: &["Éditions Gallimard", "Suhrkamp", "Penguin & Søn", "Nakladatelství Odeon"],
    tags: &["roman", "fiction", "éthique", "poésie", "O'Reilly"],
    clauses: &[
        "longtemps, je me suis couché de bonne heure",
        "the river kept its own counsel",
        "él recordó aquella tarde remota",
        "příliš žluťoučký kůň úpěl ďábelské ódy",
        "zażółć gęślą jaźń",
        "a naïve façade hid the façade's \"true\" purpose",
        "Größe ist keine Frage der Straße",
        "một câu chuyện về ký ức và chiến tranh",
        "it was <em>not</em> the best of times",
    ],
    comma: ", ",
    stop: ". ",
    chapter: ["Chapter ", ". "],
    currency: " €",
};
