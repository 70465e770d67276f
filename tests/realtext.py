"""Text of several languages for the tokenizers: what is installed with Python and its packages, and odd lines beside it."""
import random
import sysconfig
from itertools import chain, islice
from pathlib import Path

# The first article of the Universal Declaration of Human Rights, or its beginning.
ARTICLES = [
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv.",
    "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền.",
    "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "'Ολοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
]
ODD = [
    "the ", "don't", " I'll", "'S", "'s", "hello", "  ", "\n", "\t", "\r\n", "\x00", "\x0b", "\x1c", "\x85", "\u00a0", "\u200b",
    "\ufeff", "\ufffd", "\u3000", "\u2028", "[MASK]", "[SEP]", "<|endoftext|>", "ΑΣ", "İstanbul", "ß", "ﬁ", "e\u0301", "\u0301",
    "你好", "カタカナ", "한국어", "हिन्दी", "ไทย", "🙂", "👩‍👩‍👧", "🇩🇪", "123", "1,000.5", "½", "²", "_", "-", "...",
    "word" * 40,
]


def installed_lines(count):
    """Lines of the standard library, and every line in the packages beside it that is not of ASCII alone."""
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    library = sorted(folders[0].glob("*.py"))
    packages = sorted(chain(folders[1].glob("*/*.py"), folders[1].glob("*.dist-info/METADATA")))

    def found(paths, wanted):
        for path in paths:
            yield from filter(wanted, path.read_text(encoding="utf-8", errors="replace").splitlines())

    ours = list(islice(found(library, str.strip), count))
    return ours + list(islice(found(packages, lambda line: not line.isascii()), count))


def odd_lines(count):
    """Random strings of odd parts, ASCII, and characters of many scripts that Unicode had in its version 8."""
    rng = random.Random(0)
    blocks = [(0x20, 0x7F), (0x80, 0x5FF), (0x905, 0x93A), (0x4E00, 0x4F00), (0x1F300, 0x1F580), (0x2010, 0x2060)]
    for _ in range(count):
        parts = [rng.choice(ODD) if rng.random() < 0.4 else chr(rng.randrange(*rng.choice(blocks)))
                 for _ in range(rng.randint(0, 16))]
        yield "".join(parts)


def mixed_lines():
    """A few thousand lines."""
    return [*ARTICLES * 2, *installed_lines(1500), *odd_lines(2000)]
