// SPDX-License-Identifier: Apache-2.0
/* headgate.pml - front ends, cache writer and a reader under crashes, failovers and lost data.
 *
 * One base bucket (documents, their mutation feed, the sequence counter), one cache bucket of three
 * partitions (the blocks of channel 0, the sequence documents, the stable record), two front ends
 * with one write each, one cache writer or two, one reader of channel 0, and an adversary. Every
 * bucket operation is one atomic step; everything else interleaves freely. So slow nodes, zombies
 * and requests carried out late come for free.
 *
 * Each rule of docs/fault-model.md is a switch of the same name (1 = on).
 */
#ifndef R1
#define R1    1  /* the sequence document is written last                                        */
#endif
#ifndef R2
#define R2    1  /* a write's sequence exceeds the document's, else it allocates again           */
#endif
#ifndef R3
#define R3    1  /* sequence documents are write-once, and identity is compared                  */
#endif
#ifndef R4b
#define R4b   1  /* the cache is written under the history seen at allocation, or not at all      */
#endif
#ifndef R6
#define R6    1  /* a counter that failed over is set to the horizon                             */
#endif
#ifndef R7
#define R7    1  /* block entries written under another epoch are checked, too                   */
#endif
#ifndef R8
#define R8    1  /* a gap with a live sequence document: the base is asked                       */
#endif
#ifndef R9
#define R9    1  /* gaps are closed by dead sequence documents, late writes are resequenced      */
#endif
#ifndef R11
#define R11   1  /* any new history of the base begins an audit                                  */
#endif
#ifndef R12
#define R12   1  /* audit: resequence first, then bury                                           */
#endif
#ifndef R13
#define R13   1  /* a new history of the cache: walk all again before stable is published for it  */
#endif
#ifndef R14a
#define R14a  1  /* stable goes to the base bucket before it is published                        */
#endif
#ifndef R14b
#define R14b  1  /* stable is published under the owner's token, and never falls                 */
#endif
#ifndef R14c
#define R14c  1  /* a new cache writer publishes what it begins with                             */
#endif
#ifndef R14d
#define R14d  1  /* on a new cache history: raise the token again, begin from stable again          */
#endif
#ifndef R4b_cw
#define R4b_cw 1 /* R4b for the cache writer's own writes: under the history of its token           */
#endif
#ifndef R15a
#define R15a  1  /* the reader reads stable first                                                */
#endif
#ifndef R15e
#define R15e  1  /* the reader drops a pass with replies of other histories than stable's        */
#endif
#ifndef R16
#define R16   1  /* an entry at or below stable without a sequence document: drop the pass       */
#endif
#ifndef R16b
#define R16b  1  /* an entry is sent only if its sequence document lists the channel             */
#endif
#ifndef R17b
#define R17b  1  /* what was sent above stable is remembered, by document                        */
#endif
#ifndef EARLY_SENT
#define EARLY_SENT 0  /* 1: the reader sends entries above stable, too                           */
#endif
#ifndef NFE           /* ---- the adversary's budget, and bounds ------------------------------- */
#define NFE       2   /* front ends                                                              */
#endif
#ifndef ONEDOC
#define ONEDOC    0   /* 1: both write document 0                                                */
#endif
#ifndef FE_CRASH
#define FE_CRASH  0   /* front ends that die                                                     */
#endif
#ifndef CW_CRASH
#define CW_CRASH  0   /* times that the cache writer begins again                                */
#endif
#ifndef CRASH_ANY
#define CRASH_ANY 1   /* 0: it begins again only in the middle of an audit                       */
#endif
#ifndef EARLY_GAP
#define EARLY_GAP 1   /* gap timeouts while a living front end still holds the number            */
#endif
#ifndef SKIP
#define SKIP      0   /* entries that the feed leaves out, as a newer one of the document follows */
#endif
#ifndef BASE_RB
#define BASE_RB   0   /* failovers of the documents' partition                                   */
#endif
#ifndef CTR_RB
#define CTR_RB    0   /* failovers of the counter                                                */
#endif
#ifndef CACHE_RB
#define CACHE_RB  0   /* failovers of a partition of the cache                                   */
#endif
#ifndef TWO_CW
#define TWO_CW    0   /* 1: two cache writers believe they are in charge                         */
#endif
#ifndef MS
#define MS   8        /* sequences 1..MS-1; a path that needs more ends, and is reported         */
#endif
#define FL   (MS - 1) /* feed entries                                                            */
#define BIT(s) (1 << (s))
#define NONE 0
#define DEAD 1
#define LIVE(w) (1 + (w))        /* revision w = 1, 2: its identity                              */
#define ISLIVE(q) ((q) > DEAD)
#define DOC(q) doc_of[(q) - 1]

c_decl { int bound_reached; }
bit over;                        /* the bound was reached: this path is not judged               */

/* ---- base bucket ---------------------------------------------------------------------------- */
byte ctr, horizon; bit ctr_moved;
byte d_seq[2], d_wid[2]; short d_rec[2];
byte f_seq[FL], f_wid[FL]; short f_rec[FL]; byte flen;
byte b_hist, st_copy;
byte doc_of[3];                  /* of a revision; with its generation, known to the checks only */
byte gen[3]; bit lost; short used;
/* ---- cache bucket: histories are numbered through all its partitions ------------------------- */
short block; byte block_hist;
byte q[MS], q_ep[MS]; byte q_hist;
byte stable, st_ep, st_audit, st_hist;
byte c_hist;                     /* the newest of the three                                      */
#if CACHE_RB
short s_block; byte s_q[MS], s_ep[MS]; byte s_stable, s_st_ep, s_audit; bit snapped; /* replica  */
#endif
byte owner = 1, tokens = 2;
/* ---- nodes ------------------------------------------------------------------------------------ */
short held;                      /* numbers of living front ends                                 */
byte fe_crash = FE_CRASH, cw_crash = CW_CRASH, early_gap = EARLY_GAP, feed_skips = SKIP;
byte c_since, c_wid, c_high;     /* the client: token, last revision, highest sequence seen      */

#define MAY_DIE if :: fe_crash > 0 -> fe_crash--; goto dead :: true fi

inline alloc(s) {
  if :: R6 && ctr_moved -> ctr = (ctr > horizon -> ctr : horizon); ctr_moved = 0 :: else fi;
  if :: ctr >= MS - 1 -> c_code { if (!bound_reached) printf("BOUND\n"); bound_reached = 1; }; over = 1; false
     :: else fi;
  ctr++; s = ctr;
  assert(!(used & BIT(s))); used = used | BIT(s);                   /* R6: never handed out twice */
  if :: ctr > horizon -> horizon = ctr :: else fi
}
inline cas_doc(d, was, s, w, rec, ok) {
  d_step {
    if :: d_seq[d] == was ->
         d_seq[d] = s; d_wid[d] = w; d_rec[d] = rec;
         assert(flen < FL);
         f_seq[flen] = s; f_wid[flen] = w; f_rec[flen] = rec; flen++; ok = 1
       :: else -> ok = 0 fi }
}
inline put(s, value, ep) {       /* R3: insert if absent, else a blind write                     */
  if :: R3 && q[s] != NONE :: else -> q[s] = value; q_ep[s] = ep fi
}
#define HOLDS(s) (d_seq[DOC(q[s])] == s || (d_rec[DOC(q[s])] & BIT(s)))

proctype FrontEnd(byte me) provided (!over) {
  byte s, was, w, ep; short rec; bit d, ok;
  atomic { w = me + 1; if :: d = 0 :: me == 1 && !ONEDOC -> d = 1 fi; doc_of[w] = d };
again:
  atomic { ep = c_hist; alloc(s); held = held | BIT(s); MAY_DIE };
  atomic {
    d_step { was = d_seq[d]; rec = rec | d_rec[d] | (was > 0 -> BIT(was) : 0);
             gen[w] = (was > 0 -> gen[d_wid[d]] + 1 : 1) };
    if :: R2 && s <= was -> rec = rec | BIT(s); held = held & ~BIT(s); goto again :: else fi };
  atomic {
    cas_doc(d, was, s, w, rec, ok);
    if :: !ok -> rec = rec | BIT(s); held = held & ~BIT(s); goto again :: else fi;
    MAY_DIE };
  if :: !R1 -> atomic { put(s, LIVE(w), ep); MAY_DIE } :: else fi;
  if :: d == 0 -> atomic {
          if :: !R4b || block_hist <= ep -> block = block | BIT(s) :: else -> goto dead fi; MAY_DIE }
     :: else fi;
  atomic { if :: R1 && (!R4b || q_hist <= ep) -> put(s, LIVE(w), ep) :: else fi };
dead: atomic { held = held & ~BIT(s); s = 0; was = 0; d = 0; w = 0; rec = 0; ok = 0; ep = 0 }
}

/* The surviving state of document d moves to a fresh sequence; only: 0, or it must still be there. */
inline reseq(d, only) {
  if :: atomic { d_seq[d] > 0 && (only == 0 || d_seq[d] == only) ->
                 was = d_seq[d]; rec = d_rec[d] | BIT(was); w = d_wid[d]; alloc(n) };
       atomic { cas_doc(d, was, n, w, rec, ok); was = 0; n = 0; rec = 0; w = 0; ok = 0 }
     :: else fi                  /* lost CAS: there is a newer revision; n becomes a gap         */
}
inline publish() {
  if :: R14a && mine > st_copy -> atomic { st_copy = mine; if :: CRASH_ANY && cw_crash > 0 -> cw_crash--; goto start :: true fi }
     :: else fi;
  atomic { if :: !R14b -> assert(mine >= stable || st_ep != c_hist);                /* I3 */
                          stable = mine; st_ep = pub_c; st_audit = my_b
              :: R14b && owner == token ->
                   stable = (mine > stable -> mine : stable); st_ep = pub_c; st_audit = my_b
              :: else -> goto fenced fi }
}
inline audit() {
  do
  :: atomic { k = 1;
       do :: k < MS && !(ISLIVE(q[k]) && !HOLDS(k)) -> k++ :: else -> break od;
       if :: k >= MS -> k = 0; break :: else -> d = DOC(q[k]) fi };
     if :: R12 -> reseq(d, 0); q[k] = DEAD
        :: else -> q[k] = DEAD;
             if :: cw_crash > 0 -> cw_crash--; goto start :: true fi; reseq(d, 0) fi;
     d_step { acc = acc | BIT(k); k = 0; d = 0 }
  od
}
#define MAX2(a, b) ((a) > (b) -> (a) : (b))
#define MAY_WRITE(h) (!R4b_cw || h <= my_c)
#define AWARE (my_b == b_hist && !(R13 && my_c != c_hist))

proctype CacheWriter(byte token) provided (!over) {
  byte pos, mine, my_c, pub_c, my_b, s, n, was, w, x, k; short acc, rec; bit d, ok, redo;
start:
  atomic { owner = (token > owner -> token : owner); pos = 0; acc = 0; k = 0; redo = 0; n = 0; was = 0;
           mine = (R14a && st_copy > stable -> st_copy : stable); my_c = st_ep; pub_c = st_ep;
           my_b = st_audit; s = 0; w = 0; x = 0; d = 0; rec = 0; ok = 0 };
  do
  :: atomic { CRASH_ANY && cw_crash > 0 -> cw_crash--; goto start }
  :: d_step { my_c != c_hist -> my_c = c_hist;                      /* the cache failed over    */
       if :: R14d -> tokens++; token = tokens; owner = token;
                     mine = MAX2(mine, MAX2(stable, (R14a -> st_copy : 0))) :: else fi;
       if :: R13 -> pos = 0; acc = 0; redo = 1 :: else -> pub_c = my_c fi }
  :: my_b != b_hist ->                                              /* the base failed over     */
       if :: R11 -> d_step { my_b = b_hist; pos = 0 }; audit(); publish()
          :: else -> d_step { my_b = b_hist; pos = (pos > flen -> flen : pos) } fi
  :: d_step { feed_skips > 0 && pos + 1 < flen && doc_of[f_wid[pos]] == doc_of[f_wid[pos + 1]] ->
       feed_skips--; pos++ }                                              /* F9                       */
  :: atomic { pos < flen && AWARE ->
       d_step { s = f_seq[pos]; x = f_wid[pos]; d = doc_of[x]; rec = f_rec[pos]; pos++; k = 1;
         do :: k < MS -> if :: (rec & BIT(k)) -> acc = acc | BIT(k);  /* used up, can never live */
                                 if :: R9 && q[k] == NONE -> q[k] = DEAD :: else fi
                            :: else fi; k++
            :: else -> break od; k = 0; rec = 0 };
       if
       :: q[s] == NONE && R9 && s <= mine -> q[s] = DEAD; ok = 1                     /* R9: late */
       :: q[s] == NONE && !(R9 && s <= mine) -> ok = 0                               /* repair   */
       :: ISLIVE(q[s]) && R3 && q[s] != LIVE(x) -> ok = 1                            /* stolen   */
       :: ISLIVE(q[s]) && !(R3 && q[s] != LIVE(x)) && (!R7 || q_ep[s] == my_c || d == 1) -> goto settled
       :: ISLIVE(q[s]) && !(R3 && q[s] != LIVE(x)) && R7 && q_ep[s] != my_c && d == 0 ->
            if :: s > mine || block & BIT(s) -> block = block | BIT(s); goto settled
               :: else -> ok = 1 fi               /* R13: a missing entry is never filled in    */
       :: q[s] == DEAD -> ok = 1
       fi };
     if :: ok -> atomic { ok = 0 }; reseq(d, s)
        :: else -> if :: atomic { d == 0 && MAY_WRITE(block_hist) -> block = block | BIT(s) } :: else fi;
                   atomic { if :: MAY_WRITE(q_hist) -> put(s, LIVE(x), my_c); ok = (R3 && q[s] != LIVE(x)) /* R4 */
                               :: else fi };
                   if :: ok -> ok = 0; reseq(d, s) :: else fi fi;
settled: atomic { acc = acc | BIT(s); s = 0; d = 0; x = 0; w = 0; rec = 0 }
  :: atomic { pos >= flen && mine < MS - 1 && (acc & BIT(mine + 1)) && AWARE -> mine++ }; publish()
  :: R14c && mine > stable && pos >= flen && !redo && AWARE -> publish()
  :: atomic { pos >= flen && redo && AWARE -> k = 1;                /* the walk is over         */
       d_step { do :: k <= mine && k < MS -> if :: R9 && q[k] == NONE -> q[k] = DEAD :: else fi; k++
                   :: else -> break od; k = 0 } };
       if :: R11 -> audit() :: else fi;
       atomic { redo = 0; pub_c = my_c }; publish()
  :: atomic { pos >= flen && !redo && (mine < ctr || (acc >> (mine + 2))) &&         /* R8: gap */
         !(acc & BIT(mine + 1)) && my_b == b_hist && (early_gap > 0 || !(held & BIT(mine + 1))) ->
       s = mine + 1; if :: held & BIT(s) -> early_gap-- :: else fi;
       if
       :: !R9 -> acc = acc | BIT(s); s = 0
       :: R9 && !ISLIVE(q[s]) -> s = s                      /* seen absent, buried in a next step */
       :: R9 && !R8 && ISLIVE(q[s]) -> acc = acc | BIT(s); s = 0
       :: R9 && R8 && ISLIVE(q[s]) && !HOLDS(s) -> d = DOC(q[s]); ok = 1
       :: R9 && R8 && ISLIVE(q[s]) && HOLDS(s) -> s = 0; ok = 0;                /* the feed will */
            (pos < flen || my_b != b_hist || my_c != c_hist)                   /* show it       */
       fi };
     if :: s && ok -> reseq(d, 0); d_step { q[s] = DEAD; acc = acc | BIT(s) }
        :: s && !ok -> atomic { if :: MAY_WRITE(q_hist) -> put(s, DEAD, my_c) :: else fi;
                                if :: q[s] == DEAD -> acc = acc | BIT(s) :: else fi }
        :: else fi;
     d_step { s = 0; ok = 0; d = 0 }
  od;
fenced: skip
}

/* One reader of channel 0 and its client; document 1 is not in channel 0. */
proctype Reader() provided (!over) {
  byte st, ep, k; short b, seen; bit cut;
  do
  :: (stable > c_since || (EARLY_SENT && (block & ~seen))) &&
         (!R15e || (st_ep >= st_hist && st_ep >= block_hist && st_ep >= q_hist)) ->
       if :: R15a -> d_step { st = stable; ep = st_ep; cut = (R15e && st_hist > ep) };
                     d_step { b = block; cut = cut || (R15e && block_hist > ep) }
          :: else -> b = block; d_step { st = stable; ep = st_ep; cut = (R15e && st_hist > ep) } fi;
       d_step {
         cut = cut || (R15e && q_hist > ep);
         if :: EARLY_SENT -> seen = b :: else fi;
         k = c_since + 1;
         do
         :: !cut && k < MS && (EARLY_SENT || k <= st) ->
              if :: !(b & BIT(k)) || q[k] == DEAD
                 :: (b & BIT(k)) && q[k] == NONE -> cut = (R16 && k <= st)
                 :: (b & BIT(k)) && ISLIVE(q[k]) ->
                      if :: R16b && DOC(q[k]) != 0
                         :: EARLY_SENT && R17b && !lost && k <= c_high
                         :: else ->
                              assert(DOC(q[k]) == 0);                               /* I7 */
                              assert(!c_wid || lost || gen[q[k] - 1] >= gen[c_wid]);  /* I2 */
                              if :: !c_wid || lost || gen[q[k] - 1] >= gen[c_wid] -> c_wid = q[k] - 1
                                 :: else fi;
                              if :: EARLY_SENT && k > c_high -> c_high = k :: else fi
                      fi
              fi;
              k++
         :: else -> break
         od;
         if :: !cut && st > c_since -> c_since = st :: else fi;
         k = 0; b = 0; st = 0; ep = 0; cut = 0 }
  od
}

#if BASE_RB || CTR_RB || CACHE_RB
proctype Adversary() provided (!over) {
  byte base = BASE_RB, cnt = CTR_RB, cache = CACHE_RB; byte k, t;
  do
  :: atomic { base > 0 && flen > 0 -> t = flen - 1; if :: true :: t > 0 -> t-- fi; /* a lost suffix */
       d_step { base--; lost = 1; b_hist++; flen = t; k = 0;
         d_seq[0] = 0; d_seq[1] = 0; d_wid[0] = 0; d_wid[1] = 0; d_rec[0] = 0; d_rec[1] = 0;
         do :: k < flen -> t = doc_of[f_wid[k]]; d_seq[t] = f_seq[k]; d_wid[t] = f_wid[k]; d_rec[t] = f_rec[k]; k++
            :: else -> break od;
         do :: k < FL -> f_seq[k] = 0; f_wid[k] = 0; f_rec[k] = 0; k++ :: else -> break od; t = 0; k = 0 } }
  :: d_step { cnt > 0 && ctr > 0 -> cnt--; ctr_moved = 1; ctr-- }
  :: d_step { cnt > 0 && ctr > 1 -> cnt--; ctr_moved = 1; ctr = ctr - 2 }
#if CACHE_RB
  :: d_step { cache > 0 && !snapped -> snapped = 1; s_block = block; s_stable = stable; s_st_ep = st_ep;
       s_audit = st_audit; k = 0; do :: k < MS -> s_q[k] = q[k]; s_ep[k] = q_ep[k]; k++ :: else -> break od; k = 0 }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; block_hist = c_hist; block = s_block }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; q_hist = c_hist; k = 0;
       do :: k < MS -> q[k] = s_q[k]; q_ep[k] = s_ep[k]; k++ :: else -> break od; k = 0 }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; st_hist = c_hist;
       stable = s_stable; st_ep = s_st_ep; st_audit = s_audit }
#endif
  :: break
  od
}
#endif

/* When nothing can move any more, everything must be in its place. */
proctype Judge() {
  byte k;
  timeout && !over ->
  if :: d_seq[0] > 0 -> assert(stable >= d_seq[0]);                 /* I5 */
                        assert(c_wid == d_wid[0])                   /* I1 */
     :: else fi;
  if :: d_seq[1] > 0 -> assert(stable >= d_seq[1]) :: else fi;
  d_step { k = 1;
    do :: k <= stable && k < MS ->
            assert(!R9 || q[k] != NONE);                            /* I4 */
            assert(!ISLIVE(q[k]) || HOLDS(k) || !R9);               /* I6 */
            k++
       :: else -> break od }
}

init { atomic {
  run FrontEnd(0); if :: NFE > 1 -> run FrontEnd(1) :: else fi;
  run CacheWriter(1); if :: TWO_CW -> run CacheWriter(2) :: else fi;
  run Reader();
#if BASE_RB || CTR_RB || CACHE_RB
  run Adversary();
#endif
  run Judge() } }
