// SPDX-License-Identifier: Apache-2.0
/* append-blocks.pml - blocks of one channel, numbered by fill, and their directory.
 *
 * A block counts its first CAP entries; a later append executes but does not count.
 * Directory record k (k >= 1) = { floor, running maximum, identity }; record 0 is implied.
 * Every bucket operation is one atomic step; a process that is never scheduled again is a
 * crashed node, one scheduled late is a zombie or a request that was carried out late.
 * Each rule of the append format is a switch of the same name (its default = the design). What the
 * cache writer and headgate.pml take a block for, a set of sequences that a reader finds, holds here.
 * Run: spin -a -DRB=1 ... ; cc -O2 -DSAFETY -DHC4 -DNOREDUCE pan.c ; pan -E -m200000
 */
#ifndef CAP
#define CAP      2      /* entries a block                                              */
#endif
#ifndef MS
#define MS       6      /* sequences 1..MS (<= 6)                                        */
#endif
#ifndef NW
#define NW       2      /* writers                                                      */
#endif
#ifndef OPS
#define OPS      3      /* writes (new or repair) by each writer                        */
#endif
#ifndef UNK
#define UNK      1      /* lost replies in all: executed, repeated                      */
#endif
#ifndef ATOM
#define ATOM     0      /* 1: a pass is one step, for every since, in every state (as strong when
                           full blocks are final: a later read of the last block only adds) */
#endif
#ifndef REP
#define REP      2      /* repairs and late copies in all                               */
#endif
#ifndef RB
#define RB       0      /* failovers that lose a suffix of the channel's partition      */
#endif
#ifndef SPLIT
#define SPLIT    (RB > 0) /* the opener reads stable and block k in steps of their own
                           (0 is as strong without failover: a later stable is the bolder
                           floor, a full block is final) */
#endif
#ifndef CACHE
#define CACHE    0      /* 1: the reader holds a copy of some block read at any moment  */
#endif
#ifndef A1
#define A1    1      /* the record of a block exists before its first append (2: before
                              the sequence document; 0: whoever began the block, afterwards) */
#endif
#ifndef A2
#define A2   1      /* a record is inserted if absent, never overwritten         */
#endif
#ifndef A3
#define A3    1      /* the maximum is taken from a copy with length >= capacity  */
#endif
#ifndef A4
#define A4   1      /* ... over all blocks so far, not of the last one           */
#endif
#ifndef A0
#define A0     1      /* an entry that starts at or beyond the capacity is ignored */
#endif
#ifndef A5
#define A5   1      /* stable passes a sequence that is found as a reader finds it */
#endif
#ifndef B1
#define B1  1      /* stable, then newest block, then blocks                    */
#endif
#ifndef B2
#define B2    1      /* the newest block is probed after stable was read          */
#endif
#ifndef B3
#define B3    1      /* first block by maximum (0: by floor)                      */
#endif
#ifndef B4
#define B4     1      /* a copy is final when *it* is full (0: when a next record exists) */
#endif
#ifndef B5
#define B5  1      /* copies die with their history (2: kept if record j+1 is the same; 3: if there is one) */
#endif
#ifndef R15
#define R15    1      /* R15 replies of another history than stable's: drop the pass  */
#endif
#ifndef R13
#define R13   1      /* R13 holes at or below stable are resequenced before publishing */
#endif
#ifndef A6
#define A6   1      /* a remembered block number dies with its history           */
#endif
#ifndef A7
#define A7     1      /* insert only if block k and record k are still what I read  */
#endif
#ifndef FENCER
#define FENCER   0      /*    (the other way: no insert is carried out under a later history) */
#endif
#ifndef FENCEA
#define FENCEA   0      /*    (1: nor an append.  Not needed with A5, A5', A8)            */
#endif
#ifndef A8
#define A8     1      /* (R4b) reply of another history: leave it to the cache writer */
#endif
#ifndef A5_floor
#define A5_floor   1      /* an entry at or below its block's floor is not "found"    */
#endif
#ifndef INV
#define INV      1      /* check the inner invariants too, not only the reader          */
#endif
#ifndef LIMIT
#define LIMIT    1      /* check the early stop at each floor                           */
#endif
#define BIT(s)      (1 << (s))
#define UPTO(S, t)  ((BIT((t) + 1) - 1) & ~(BIT((S) + 1) - 1))          /* the set (S, t] */
#define BMAX(m)     ((m) & 64 -> 6 : ((m) & 32 -> 5 : ((m) & 16 -> 4 : ((m) & 8 -> 3 : ((m) & 4 -> 2 : ((m) & 2 -> 1 : 0))))))
#define MAX2(a, b)  ((a) > (b) -> (a) : (b))
#define MIN2(a, b)  ((a) < (b) -> (a) : (b))
#define NEWEST      (!rec[1] -> 0 : (!rec[2] -> 1 : (!rec[3] -> 2 : 3)))
#define SEES(k)     ((k <= NEWEST || !A5) -> blk[k] & ~((A5_floor && A5) -> BIT(fl[k] + 1) - 1 : 0) : 0)
#define SEEN        (SEES(0) | SEES(1) | SEES(2) | SEES(3))             /* as a reader finds it */
#define KEY(j)      (B3 -> mx[j] : fl[j])
#define FROM(S)     ((nn > 2 && KEY(3) <= S) -> 3 : ((nn > 1 && KEY(2) <= S) -> 2 : ((nn > 0 && KEY(1) <= S) -> 1 : 0)))
#define FREE(s)     (s <= ctr && !((live | dead) & BIT(s)))
#define NB 4                      /* blocks 0..3 */

byte blk[NB], n[NB];              /* set of counted entries, how many                   */
byte rec[NB], fl[NB], mx[NB];     /* record: 0 absent, else identity; floor; maximum    */
byte live, dead, ctr, stable;     /* sequence documents, counter, stable                */
byte hist, stHist;                /* history of the channel's partition, as in stable   */
byte rb = RB; short lg[12]; byte ln;   /* failovers to come; the partition's log        */
byte unk = UNK, rep = REP; bit stop;  /* stop: the reader is done, nothing more to see  */

#define LOG(x) if :: rb > 0 -> lg[ln] = x; ln++ :: else fi
#define LOOK m = BMAX((A3 -> blk[b-1] : bm)); m = MAX2(m, (A4 -> mx[b-1] : 0)); bm = blk[b-1]; br = rec[b-1]
#define NEXT_IF(c) if :: c -> goto next :: else fi

proctype Writer() provided (!stop) {
  byte s, b, st, m, h, bm, br, ops = OPS; bit ok, owe;
next:
  atomic {
    if :: ops == 0 -> goto fin :: else fi;
    d_step { s = 0; st = 0; m = 0; ok = 0; owe = 0; bm = 0; br = 0;
      if :: A6 && h != hist -> b = 0 :: else fi };
    if :: ctr < MS -> ctr++; s = ctr                     /* a new write ...             */
       :: rep > 0 && FREE(1) -> s = 1; rep--             /* ... or a repair, or a copy  */
       :: rep > 0 && FREE(2) -> s = 2; rep--             /*     of a late request       */
       :: rep > 0 && FREE(3) -> s = 3; rep-- :: rep > 0 && FREE(4) -> s = 4; rep--
       :: rep > 0 && FREE(5) -> s = 5; rep-- :: rep > 0 && FREE(6) -> s = 6; rep--
       :: else -> goto fin fi;
    d_step { h = hist; ops-- } }
app:
  if :: !A3 -> bm = blk[b] :: else fi;                          /* an early copy     */
  atomic {
    NEXT_IF(FENCEA && h != hist);
    d_step {
      if :: n[b] < CAP || !A0 ->
              assert(!INV || b == 0 || h != hist || (n[b-1] >= CAP && rec[b])); /* k+1 used => k full */
              LOG(b * 8 + s);
              blk[b] = blk[b] | BIT(s); ok = (n[b] < CAP || !A0); owe = (owe || (!A1 && b && !n[b])); n[b] = MIN2(n[b] + 1, CAP)
         :: else -> ok = 0 fi };
    NEXT_IF(A8 && h != hist);
    if :: unk > 0 -> unk--; goto app :: true fi }                  /* reply lost        */
  if :: ok && !owe && (A0 || n[b] < CAP) -> goto done :: owe -> goto record :: else fi;
over:
  atomic {                                             /* overflow: ask the directory   */
    if :: b + 1 >= NB -> goto fin :: else fi;
    NEXT_IF(A8 && h != hist);
    if :: rec[b+1] -> b++ :: rec[b+1] && NEWEST > b + 1 -> b = NEWEST
       :: !rec[b+1] -> b++; if :: A1 == 1 -> goto record :: A1 == 2 -> owe = 1 :: else fi fi;
    if :: !A0 && ok -> goto done :: else fi;
    goto app }
record:                                                /* open block b: b-1 is full     */
  if :: SPLIT -> st = stable; atomic { NEXT_IF(A8 && h != hist); d_step { LOOK } } :: else fi;
  atomic {
    NEXT_IF(FENCER && h != hist);
    d_step { if :: !SPLIT -> st = stable; LOOK :: else fi };
    NEXT_IF(A7 && (blk[b-1] != bm || n[b-1] < CAP || rec[b-1] != br));
    d_step { if :: !rec[b] || !A2 ->
                     assert(!INV || (n[b-1] >= CAP && rec[b-1]));  /* records: a prefix */
                     rec[b] = hist + 1; fl[b] = st; mx[b] = m; LOG(hist * 512 + 256 + b * 64 + st * 8 + m)
                :: else fi; st = 0; m = 0; bm = 0; br = 0 };
    NEXT_IF(A8 && h != hist);
    if :: ok -> goto done :: !ok && owe -> owe = 0; goto over :: else -> goto app fi }
done:
  atomic { live = live | (dead & BIT(s) -> 0 : BIT(s)); goto next }
fin: atomic { skip; d_step { ops = 0; s = 0; b = 0; h = 0; ok = 0; owe = 0 } }
}

proctype CacheWriter() provided (!stop) {
  byte s; bit r;
  do
  :: d_step { stHist == hist && FREE(stable + 1) -> dead = dead | BIT(stable + 1) }          /* gap */
  :: d_step { !RB && stable < ctr && !FREE(stable + 1) ->
       if :: SEEN & BIT(stable + 1) || dead & BIT(stable + 1) -> stable++ :: else fi }
  :: RB -> d_step { stHist == hist && stable < ctr && !FREE(stable + 1) ->
       s = stable + 1; r = (dead & BIT(s) || SEEN & BIT(s)) };
     d_step { if :: r -> stable = s :: else -> live = live & ~BIT(s) fi; s = 0; r = 0 }      /* else: repair */
  :: d_step { stHist != hist ->
       if :: R13 -> dead = dead | (live & ~SEEN & UPTO(0, stable)); live = live & SEEN :: else fi;
       stHist = hist }
  od
}

#define REST(t) assert(!(live & ~got & UPTO(S, MAX2(S, t))))
#define COPY    (has && cj == j && (B4 || j < nn) && (!B5 || ch == sh || (B5 == 2 && crec && hist == sh && crec == rec[j+1]) || (B5 == 3 && crec && hist == sh && rec[j+1])))
#if ATOM
proctype Reader() {
  byte i, j, S, nn, got;
  do
  :: d_step { (!R15 || stHist == hist) -> nn = NEWEST; i = 0;
       do :: i <= nn -> S = KEY(i); j = FROM(S); got = 0;
               do :: j <= nn -> got = got | blk[j]; j++; if :: LIMIT && j <= nn -> REST(MIN2(stable, fl[j])) :: else fi
                  :: else -> break od;
               REST(stable); i++
          :: else -> break od; i = 0; j = 0; S = 0; nn = 0; got = 0 }
  od
}
#else
proctype Reader() {
  byte S, st, sh, nn, j, got, cm, cj, ch, crec; bit has;
  if :: CACHE -> atomic {
          if :: j = 0 :: rec[1] -> j = 1 :: rec[2] -> j = 2 fi;
          (n[j] == CAP || !B4) -> d_step { has = 1; cj = j; cm = blk[j]; ch = hist; crec = rec[j+1]; j = 0 } }
     :: !CACHE fi;
  if :: !B2 -> nn = NEWEST :: else fi;
  if :: B1 -> d_step { st = stable; sh = stHist } :: else -> sh = hist fi;
  atomic {
    if :: R15 && hist != sh -> goto end :: else fi;
    if :: B2 -> nn = NEWEST :: else fi;
    if :: S = 0 :: nn > 0 -> S = KEY(1) :: nn > 1 -> S = KEY(2) :: nn > 2 -> S = KEY(3) fi;
    j = FROM(S) }      /* any since: the least of those with one first block is the hardest */
  do
  :: j <= nn -> atomic {
       if :: R15 && !COPY && hist != sh -> goto end :: else fi;
       d_step { if :: COPY -> got = got | cm :: else -> got = got | blk[j] fi;
         j++;
         if :: LIMIT && B1 && j <= nn -> REST(MIN2(st, fl[j])) :: else fi } }
  :: else -> break
  od;
  if :: !B1 -> st = stable :: else fi;
  d_step { REST(st) };
end: stop = 1
}
#endif

#define LOSE(k) blk[k] = 0; n[k] = 0; fl[k] = 0; mx[k] = 0; rec[k] = (k == 0)
proctype Adversary() provided (!stop) {                /* a prefix of the log survives    */
  byte t, i, k;
  do
  :: atomic { rb > 0 && ln > 0 -> t = 0; do :: t + 1 < ln -> t++ :: break od;
       d_step { rb--; hist++; LOSE(0); LOSE(1); LOSE(2); LOSE(3); i = 0;
         do :: i < t && lg[i] < 256 -> k = lg[i] / 8; blk[k] = blk[k] | BIT(lg[i] & 7); n[k] = MIN2(n[k] + 1, CAP); i++
            :: i < t && lg[i] >= 256 -> k = (lg[i] / 64) & 3; rec[k] = lg[i] / 512 + 1; fl[k] = (lg[i] / 8) & 7; mx[k] = lg[i] & 7; i++
            :: else -> break od;
         i = (rb > 0 -> t : 0); k = ln; ln = i;
         do :: i < k -> lg[i] = 0; i++ :: else -> break od; t = 0; i = 0; k = 0 } }
  :: rb == 0 -> break
  od
}

init { atomic { rec[0] = 1;
  run Writer(); run Writer(); if :: NW > 2 -> run Writer() :: else fi;
  run CacheWriter(); run Reader(); if :: RB > 0 -> run Adversary() :: else fi } }
