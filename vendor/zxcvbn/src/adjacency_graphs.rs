//! Which keys lie beside which on a keyboard.
//!
//! Upstream builds a `HashMap` for each keyboard when it is first used. Here each is a text that
//! is read where it lies. A line is one key: its neighbours in the order of upstream, two
//! characters each (without and with shift; two spaces if there is none), then the key itself.

/// The keys of a keyboard.
pub(crate) struct Graph {
    /// Name of the keyboard.
    pub(crate) name: &'static str,
    /// The keys and their neighbours, all lines equally long.
    lines: &'static str,
    /// In how many directions a key has neighbours.
    directions: usize,
}

impl Graph {
    /// The direction in which `next` lies from `key`, and whether it needs the shift key.
    pub(crate) fn step(&self, key: char, next: char) -> Option<(usize, bool)> {
        let key = u8::try_from(key).ok()?;
        let next = u8::try_from(next).ok().filter(u8::is_ascii_graphic)?;
        let line = self
            .lines
            .as_bytes()
            .chunks_exact(self.line_len())
            .find(|line| line.get(2 * self.directions) == Some(&key))?;
        line.chunks_exact(2)
            .take(self.directions)
            .enumerate()
            .find_map(|(direction, pair)| {
                let shifted = pair.iter().position(|&c| c == next)?;
                Some((direction, shifted == 1))
            })
    }

    /// How long a line is: the neighbours, the key, the line feed.
    const fn line_len(&self) -> usize {
        2 * self.directions + 2
    }

    /// How many keys there are.
    pub(crate) const fn len(&self) -> u64 {
        (self.lines.len() / self.line_len()) as u64
    }

    /// How many neighbours all keys have together.
    pub(crate) const fn count_neighbors(&self) -> u64 {
        let lines = self.lines.as_bytes();
        let mut count = 0;
        let mut line = 0;
        while line < lines.len() {
            let mut direction = 0;
            while direction < self.directions {
                if lines[line + 2 * direction] != b' ' {
                    count += 1;
                }
                direction += 1;
            }
            line += self.line_len();
        }
        count
    }
}

pub(crate) const QWERTY: Graph = Graph {
    name: "qwerty",
    directions: 6,
    lines: r##"`~    2@qQ  !
;:[{]}    /?"
2@    4$eEwW#
3#    5%rReE$
4$    6^tTrR%
6^    8*uUyY&
;:[{]}    /?'
8*    0)oOiI(
9(    -_pPoO)
7&    9(iIuU*
-_      ]}[{+
mMkKlL.>    ,
0)    =+[{pP-
,<lL;:/?    .
.>;:'"      /
9(    -_pPoO0
`~    2@qQ  1
1!    3#wWqQ2
2@    4$eEwW3
3#    5%rReE4
4$    6^tTrR5
5%    7&yYtT6
6^    8*uUyY7
7&    9(iIuU8
8*    0)oOiI9
lLpP[{'"/?.>:
lLpP[{'"/?.>;
mMkKlL.>    <
-_      ]}[{=
,<lL;:/?    >
.>;:'"      ?
1!    3#wWqQ@
  qQwWsSzZ  A
vVgGhHnN    B
xXdDfFvV    C
sSeErRfFcCxXD
wW3#4$rRdDsSE
dDrRtTgGvVcCF
fFtTyYhHbBvVG
gGyYuUjJnNbBH
uU8*9(oOkKjJI
hHuUiIkKmMnNJ
jJiIoOlL,<mMK
kKoOpP;:.>,<L
nNjJkK,<    M
bBhHjJmM    N
iI9(0)pPlLkKO
oO0)-_[{;:lLP
  1!2@wWaA  Q
eE4$5%tTfFdDR
aAwWeEdDxXzZS
rR5%6^yYgGfFT
yY7&8*iIjJhHU
cCfFgGbB    V
qQ2@3#eEsSaAW
zZsSdDcC    X
tT6^7&uUhHgGY
  aAsSxX    Z
pP-_=+]}'";:[
]}          \
[{=+  \|  '"]
5%    7&yYtT^
0)    =+[{pP_
      1!    `
  qQwWsSzZ  a
vVgGhHnN    b
xXdDfFvV    c
sSeErRfFcCxXd
wW3#4$rRdDsSe
dDrRtTgGvVcCf
fFtTyYhHbBvVg
gGyYuUjJnNbBh
uU8*9(oOkKjJi
hHuUiIkKmMnNj
jJiIoOlL,<mMk
kKoOpP;:.>,<l
nNjJkK,<    m
bBhHjJmM    n
iI9(0)pPlLkKo
oO0)-_[{;:lLp
  1!2@wWaA  q
eE4$5%tTfFdDr
aAwWeEdDxXzZs
rR5%6^yYgGfFt
yY7&8*iIjJhHu
cCfFgGbB    v
qQ2@3#eEsSaAw
zZsSdDcC    x
tT6^7&uUhHgGy
  aAsSxX    z
pP-_=+]}'";:{
]}          |
[{=+  \|  '"}
      1!    ~
"##,
};

pub(crate) const DVORAK: Graph = Graph {
    name: "dvorak",
    directions: 6,
    lines: r##"`~    2@'"  !
  1!2@,<aA  "
2@    4$.>,<#
3#    5%pP.>$
4$    6^yYpP%
6^    8*gGfF&
  1!2@,<aA  '
8*    0)rRcC(
9(    [{lLrR)
7&    9(cCgG*
/?]}  \|  -_+
'"2@3#.>oOaA,
sS/?=+    zZ-
,<3#4$pPeEoO.
lL[{]}=+-_sS/
9(    [{lLrR0
`~    2@'"  1
1!    3#,<'"2
2@    4$.>,<3
3#    5%pP.>4
4$    6^yYpP5
5%    7&fFyY6
6^    8*gGfF7
7&    9(cCgG8
8*    0)rRcC9
  aAoOqQ    :
  aAoOqQ    ;
'"2@3#.>oOaA<
/?]}  \|  -_=
,<3#4$pPeEoO>
lL[{]}=+-_sS?
1!    3#,<'"@
  '",<oO;:  A
xXdDhHmM    B
gG8*9(rRtThHC
iIfFgGhHbBxXD
oO.>pPuUjJqQE
yY6^7&gGdDiIF
fF7&8*cChHdDG
dDgGcCtTmMbBH
uUyYfFdDxXkKI
qQeEuUkK    J
jJuUiIxX    K
rR0)[{/?sSnNL
bBhHtTwW    M
tTrRlLsSvVwWN
aA,<.>eEqQ;:O
.>4$5%yYuUeEP
;:oOeEjJ    Q
cC9(0)lLnNtTR
nNlL/?-_zZvVS
hHcCrRnNwWmMT
eEpPyYiIkKjJU
wWnNsSzZ    V
mMtTnNvV    W
kKiIdDbB    X
pP5%6^fFiIuUY
vVsS-_      Z
0)    ]}/?lL[
=+          \
[{      =+/?]
5%    7&fFyY^
sS/?=+    zZ_
      1!    `
  '",<oO;:  a
xXdDhHmM    b
gG8*9(rRtThHc
iIfFgGhHbBxXd
oO.>pPuUjJqQe
yY6^7&gGdDiIf
fF7&8*cChHdDg
dDgGcCtTmMbBh
uUyYfFdDxXkKi
qQeEuUkK    j
jJuUiIxX    k
rR0)[{/?sSnNl
bBhHtTwW    m
tTrRlLsSvVwWn
aA,<.>eEqQ;:o
.>4$5%yYuUeEp
;:oOeEjJ    q
cC9(0)lLnNtTr
nNlL/?-_zZvVs
hHcCrRnNwWmMt
eEpPyYiIkKjJu
wWnNsSzZ    v
mMtTnNvV    w
kKiIdDbB    x
pP5%6^fFiIuUy
vVsS-_      z
0)    ]}/?lL{
=+          |
[{      =+/?}
      1!    ~
"##,
};

pub(crate) const KEYPAD: Graph = Graph {
    name: "keypad",
    directions: 8,
    lines: r##"/       - + 9 8 *
9 * -         6 +
*           + 9 -
0 2 3           .
        * 9 8 7 /
  1 2 3 .       0
    4 5 2 0     1
1 4 5 6 3 . 0   2
2 5 6       . 0 3
    7 8 5 2 1   4
4 7 8 9 6 3 2 1 5
5 8 9 +     3 2 6
      / 8 5 4   7
7   / * 9 6 5 4 8
8 / * - +   6 5 9
"##,
};

pub(crate) const MAC_KEYPAD: Graph = Graph {
    name: "mac_keypad",
    directions: 8,
    lines: r##"/           - 9 *
6 9 -         3 +
9 / *       + 6 -
0 2 3           .
=       * - 9 8 /
  1 2 3 .       0
    4 5 2 0     1
1 4 5 6 3 . 0   2
2 5 6 +     . 0 3
    7 8 5 2 1   4
4 7 8 9 6 3 2 1 5
5 8 9 - +   3 2 6
      = 8 5 4   7
7   = / 9 6 5 4 8
8 = / * - + 6 5 9
        / 9 8 7 =
"##,
};
