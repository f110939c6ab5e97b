// SPDX-License-Identifier: Apache-2.0
/* removal.pml - one document that leaves channel A and may come back; a feed that skips versions.
 *
 * The document begins in A at number 1. Front ends write revisions that are in A or not; whoever
 * takes it out of A enters a removal at its number and records that number in the document (mark).
 * The feed may show only the newest version (F9). The cache writer sees to it that a recorded
 * removal is told (R7), also after the base or the cache lost writes. One client follows A.
 *
 * Each rule of docs/fault-model.md is a switch of the same name (1 = on).
 */
#ifndef R7_removal
#define R7_removal 1 /* a recorded removal is listed in a live sequence document, else resequence  */
#endif
#ifndef R7_block
#define R7_block   1 /* ... and, if that is of another cache epoch, in the block, too              */
#endif
#ifndef R10_removal
#define R10_removal 1 /* a removal at a dead or unlisted number moves with the document            */
#endif
#ifndef STRICT
#define STRICT     0 /* 1: the client must be told, too, of what only lost writes made true        */
#endif
#ifndef NFE
#define NFE        2
#endif
#ifndef IN_TURN
#define IN_TURN    0 /* 1: each front end begins after the base write of the one before it      */
#endif
#ifndef FE_CRASH
#define FE_CRASH   0
#endif
#ifndef EARLY_GAP
#define EARLY_GAP  1
#endif
#ifndef SKIP
#define SKIP       1 /* versions that the feed skips, each time that it is read                    */
#endif
#ifndef BASE_RB
#define BASE_RB    0
#endif
#ifndef CACHE_RB
#define CACHE_RB   0
#endif
#ifndef MS
#define MS         8
#endif
#define FL   (MS - 1)
#define BIT(s) (1 << (s))
#define NONE 0
#define DEAD 1
#define OTHER   0                /* what a sequence document says of A: nothing,                   */
#define IN_A    1                /* the document is in A,                                          */
#define LEFT_A  2                /* it left A here                                                 */
#define LIVE(w, a) (2 + (w) * 3 + (a))
#define ISLIVE(v)  ((v) > DEAD)
#define WID(v)     (((v) - 2) / 3)
#define SAYS(v)    (((v) - 2) % 3)
#define SAYING(s)  (in_a -> IN_A : (mark == (s) -> LEFT_A : OTHER))

c_decl { int bound_reached; }
bit over;
byte ctr = 1;
byte d_seq = 1, d_wid, d_mark; bit d_in = 1; short d_rec;
byte f_seq[FL], f_wid[FL], f_mark[FL]; bit f_in[FL]; short f_rec[FL]; byte flen = 1;
byte b_hist, c_hist, block_hist, q_hist;
short block = BIT(1);
byte q[MS], q_ep[MS], stable = 1, st_ep;
#if CACHE_RB
short s_block; byte s_q[MS], s_ep[MS]; bit snapped;
#endif
short held; byte fe_crash = FE_CRASH, early_gap = EARLY_GAP;
bit lost;
byte c_since, c_wid; bit c_has;  /* the client: token, revision, whether it holds the document     */
#if BASE_RB && CACHE_RB
byte c_at = 1;                   /* the number that told it so                                     */
short b_lost, q_lost;            /* numbers that the base lost; whose live sequence document was lost */
#define TOLD_BY(k)   c_at = k
#define BASE_LOST(s) b_lost = b_lost | BIT(s)
#define DOC_LOST(k)  if :: ISLIVE(q[k]) && !ISLIVE(s_q[k]) -> q_lost = q_lost | BIT(k) :: else fi
#else
#define TOLD_BY(k)   skip
#define BASE_LOST(s) skip
#define DOC_LOST(k)  skip
#endif

inline alloc(s) {
  if :: ctr >= MS - 1 -> c_code { if (!bound_reached) printf("BOUND\n"); bound_reached = 1; }; over = 1; false
     :: else fi;
  ctr++; s = ctr
}
inline cas_doc(was, s, ok) {
  d_step {
    if :: d_seq == was ->
         d_seq = s; d_wid = w; d_in = in_a; d_mark = mark; d_rec = rec;
         f_seq[flen] = s; f_wid[flen] = w; f_in[flen] = in_a; f_mark[flen] = mark; f_rec[flen] = rec; flen++; ok = 1
       :: else -> ok = 0 fi }
}
inline put(s, value, ep) { if :: q[s] != NONE :: else -> q[s] = value; q_ep[s] = ep fi }
#define HOLDS(s) (d_seq == s || (d_rec & BIT(s)))
#define MAY_DIE if :: fe_crash > 0 -> fe_crash--; goto dead :: true fi

proctype FrontEnd(byte w) provided (!over) {
  byte s, was, mark, ep; short rec; bit in_a, ok;
  (!IN_TURN || d_wid + 1 == w);
again:
  atomic { ep = c_hist; alloc(s); held = held | BIT(s); MAY_DIE };
  atomic {
    was = d_seq; rec = rec | d_rec | BIT(was);
    if :: in_a = 0 :: in_a = 1 fi;
    mark = (in_a -> 0 : (d_in -> s : d_mark));
    if :: s <= was -> rec = rec | BIT(s); held = held & ~BIT(s); goto again :: else fi };
  atomic {
    cas_doc(was, s, ok);
    if :: !ok -> rec = rec | BIT(s); held = held & ~BIT(s); goto again :: else fi;
    MAY_DIE };
  if :: SAYING(s) != OTHER -> atomic {
          if :: block_hist <= ep -> block = block | BIT(s) :: else -> goto dead fi; MAY_DIE }
     :: else fi;
  atomic { if :: q_hist <= ep -> put(s, LIVE(w, SAYING(s)), ep) :: else fi };
dead: atomic { held = held & ~BIT(s); s = 0; was = 0; mark = 0; rec = 0; in_a = 0; ok = 0; ep = 0 }
}

/* A removal is told if the document of its number lists it, and the block, too. */
#define TOLD(m) (ISLIVE(q[m]) && SAYS(q[m]) == LEFT_A && (!R7_block || q_ep[m] == my_c || (block & BIT(m))))

inline reseq(only) {
  if :: atomic { only == 0 || d_seq == only ->
           was = d_seq; rec = d_rec | BIT(was); w = d_wid; in_a = d_in; mark = d_mark; alloc(n);
           if :: R10_removal && mark && (mark == was || !TOLD(mark)) -> mark = n
              :: else fi };
       atomic { cas_doc(was, n, ok); was = 0; n = 0; rec = 0; w = 0; ok = 0; in_a = 0; mark = 0 }
     :: else fi
}
#define AWARE (my_b == b_hist && my_c == c_hist)

proctype CacheWriter() provided (!over) {
  byte pos, mine = 1, my_c, pub_c, my_b, s, n, was, w, mark, k, feed_skips = SKIP; short acc = BIT(1), rec; bit in_a, ok, redo, repair;
  do
  :: d_step { my_c != c_hist -> my_c = c_hist; pos = 0; acc = 0; redo = 1; feed_skips = SKIP }
  :: my_b != b_hist ->
       d_step { my_b = b_hist; pos = 0; feed_skips = SKIP };
audit: atomic { k = 1;
         do :: k < MS && !(ISLIVE(q[k]) && !HOLDS(k)) -> k++ :: else -> break od;
         if :: k >= MS -> k = 0; goto audited :: else fi };
       reseq(0); d_step { q[k] = DEAD; acc = acc | BIT(k); k = 0 }; goto audit;
audited: skip
  :: d_step { feed_skips > 0 && pos + 1 < flen -> feed_skips--; pos++ }
  :: atomic { pos < flen && AWARE ->
       d_step { s = f_seq[pos]; w = f_wid[pos]; in_a = f_in[pos]; mark = f_mark[pos]; rec = f_rec[pos]; pos++; k = 1;
         do :: k < MS -> if :: (rec & BIT(k)) -> acc = acc | BIT(k);
                                 if :: q[k] == NONE -> q[k] = DEAD :: else fi
                            :: else fi; k++
            :: else -> break od; k = 0; rec = 0 };
       if
       :: q[s] == NONE && s <= mine -> q[s] = DEAD; ok = 1
       :: q[s] == NONE && s > mine -> repair = 1
       :: ISLIVE(q[s]) && WID(q[s]) == w ->
            if :: q_ep[s] != my_c && SAYING(s) != OTHER && !(block & BIT(s)) ->
                    if :: s > mine -> block = block | BIT(s); ok = 0 :: else -> ok = 1 fi
               :: else -> ok = 0 fi
       :: else -> ok = 1
       fi;
       if :: R7_removal && mark && mark != s && !TOLD(mark) -> ok = 1 :: else fi;
       if :: ok && q[s] == NONE -> q[s] = DEAD :: else fi };
     if :: ok -> ok = 0; reseq(s)
        :: !ok && !repair -> skip
        :: else -> if :: atomic { SAYING(s) != OTHER && block_hist <= my_c -> block = block | BIT(s) } :: else fi;
             atomic { if :: q_hist <= my_c -> put(s, LIVE(w, SAYING(s)), my_c); ok = !(ISLIVE(q[s]) && WID(q[s]) == w)
                         :: else fi };
             if :: ok -> ok = 0; reseq(s) :: else fi fi;
     d_step { acc = acc | BIT(s); s = 0; w = 0; mark = 0; in_a = 0; rec = 0; repair = 0 }
  :: atomic { pos >= flen && !redo && mine < MS - 1 && (acc & BIT(mine + 1)) && AWARE -> mine++ };
     d_step { stable = mine; st_ep = pub_c }
  :: atomic { pos >= flen && redo && AWARE -> k = 1;
       d_step { do :: k <= mine && k < MS -> if :: q[k] == NONE -> q[k] = DEAD :: else fi; k++
                   :: else -> break od; k = 0 };
       redo = 0; pub_c = my_c; st_ep = pub_c }
  :: atomic { pos >= flen && !redo && mine < ctr && !(acc & BIT(mine + 1)) && AWARE &&
         (early_gap > 0 || !(held & BIT(mine + 1))) ->
       s = mine + 1; if :: held & BIT(s) -> early_gap-- :: else fi;
       if
       :: !ISLIVE(q[s]) -> s = s
       :: ISLIVE(q[s]) && !HOLDS(s) -> ok = 1
       :: ISLIVE(q[s]) && HOLDS(s) -> s = 0; (pos < flen || !AWARE)
       fi };
     if :: s && ok -> reseq(0); d_step { q[s] = DEAD; acc = acc | BIT(s) }
        :: s && !ok -> atomic { put(s, DEAD, my_c); if :: q[s] == DEAD -> acc = acc | BIT(s) :: else fi }
        :: else fi;
     d_step { s = 0; ok = 0 }
  od
}

proctype Reader() provided (!over) {
  byte st, ep, k; short b; bit cut;
  do
  :: stable > c_since && st_ep >= block_hist && st_ep >= q_hist ->
       d_step { st = stable; ep = st_ep };
       d_step { b = block; cut = (block_hist > ep) };
       d_step {
         cut = cut || q_hist > ep; k = c_since + 1;
         do
         :: !cut && k < MS && k <= st ->
              if :: !(b & BIT(k)) || q[k] == DEAD
                 :: (b & BIT(k)) && q[k] == NONE -> cut = 1
                 :: (b & BIT(k)) && ISLIVE(q[k]) ->
                      if :: SAYS(q[k]) == IN_A -> c_has = 1; c_wid = WID(q[k]); TOLD_BY(k)
                         :: SAYS(q[k]) == LEFT_A -> c_has = 0; c_wid = 0; TOLD_BY(k)
                         :: else fi
              fi;
              k++
         :: else -> break
         od;
         if :: !cut -> c_since = st :: else fi;
         k = 0; b = 0; st = 0; ep = 0; cut = 0 }
  od
}

#if BASE_RB || CACHE_RB
proctype Adversary() provided (!over) {
  byte base = BASE_RB, cache = CACHE_RB; byte k, t;
  do
  :: atomic { base > 0 && flen > 1 -> t = flen - 1; if :: true :: t > 1 -> t-- fi;
       d_step { base--; lost = 1; b_hist++; flen = t; t--;
         d_seq = f_seq[t]; d_wid = f_wid[t]; d_in = f_in[t]; d_mark = f_mark[t]; d_rec = f_rec[t]; k = flen;
         do :: k < FL -> BASE_LOST(f_seq[k]); f_seq[k] = 0; f_wid[k] = 0; f_in[k] = 0; f_mark[k] = 0; f_rec[k] = 0; k++
            :: else -> break od; t = 0; k = 0 } }
#if CACHE_RB
  :: d_step { cache > 0 && !snapped -> snapped = 1; s_block = block;
       k = 0; do :: k < MS -> s_q[k] = q[k]; s_ep[k] = q_ep[k]; k++ :: else -> break od; k = 0 }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; block_hist = c_hist; block = s_block }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; q_hist = c_hist; k = 0;
       do :: k < MS -> DOC_LOST(k); q[k] = s_q[k]; q_ep[k] = s_ep[k]; k++ :: else -> break od; k = 0 }
#endif
  :: break
  od
}
#endif

/* I6: what the client was told last was lost in both buckets. Nobody but the client knows that it ever was: no
 * sequence document names the document, so that no audit can announce again what survives of it.             */
#if BASE_RB && CACHE_RB
#define GHOST (!STRICT && (b_lost & q_lost & BIT(c_at)))
#else
#define GHOST 0
#endif

proctype Judge() {
  timeout && !over ->
  assert(stable >= d_seq);                                          /* I5 */
  assert(!d_in || (c_has && c_wid == d_wid) || GHOST);              /* I1: is in A */
  assert(d_in || !c_has || (lost && !STRICT))                       /* I1: left A  */
}

init { atomic {
  f_seq[0] = 1; f_in[0] = 1; q[1] = LIVE(0, IN_A);
  run FrontEnd(1); if :: NFE > 1 -> run FrontEnd(2) :: else fi; if :: NFE > 2 -> run FrontEnd(3) :: else fi;
  run CacheWriter(); run Reader();
#if BASE_RB || CACHE_RB
  run Adversary();
#endif
  run Judge() } }
