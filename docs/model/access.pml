// SPDX-License-Identifier: Apache-2.0
/* access.pml - a document grants channel A to a user and a later revision revokes it.
 *
 * Number 2 is a document in A that was there before; another write in A is under way. The granting
 * and the revoking revision enter their numbers in the user's hidden channel, raise the access
 * counter and write the sequence document. Any of them may stop half way; the cache writer repairs.
 * Two nodes serve the user's feed: each builds the user's rights from the hidden channel and keeps
 * them for the value of the access counter. The cache may fail over and lose writes.
 *
 * Each rule of docs/fault-model.md is a switch of the same name (1 = on).
 */
#ifndef R5b
#define R5b          1  /* the cache work of a grant: also the hidden channel (0: the node that made
                           the write tells only itself)                                          */
#endif
#ifndef R5b_counter
#define R5b_counter  1  /* the access counter is raised before a revocation is acknowledged       */
#endif
#ifndef R5b_order
#define R5b_order    1  /* ... and before the sequence document says that the work is complete    */
#endif
#ifndef R5b_awaited
#define R5b_awaited  1  /* rights built while an entry was awaited are not kept                   */
#endif
#ifndef R5b_history
#define R5b_history  1  /* rights die with the history of the access counter they were built for  */
#endif
#ifndef R7_grant
#define R7_grant     1  /* a recorded grant is listed in a live sequence document, else resequence */
#endif
#ifndef R15e
#define R15e         1  /* replies of other histories than stable's: drop the pass                */
#endif
#ifndef R15p
#define R15p         1  /* the access counter is read at the beginning of a pass, before the rights */
#endif
#ifndef R15s
#define R15s         1  /* whether a since lies before a grant is decided by its safe part        */
#endif
#ifndef GIVEN
#define GIVEN        0  /* 1: number 3 has granted, before anything else                          */
#endif
#ifndef REVOKE
#define REVOKE       1  /* 1: a revision revokes                                                  */
#endif
#ifndef PLAINS
#define PLAINS       0  /* 1: a revision follows that changes no grant                            */
#endif
#ifndef WRITE
#define WRITE        1  /* 1: a slow write in A is under way                                      */
#endif
#ifndef OTHER
#define OTHER        0  /* entries of other channels that the client has seen above stable        */
#endif
#ifndef NODES
#define NODES        1
#endif
#ifndef FE_CRASH
#define FE_CRASH     0
#endif
#ifndef SKIP
#define SKIP         0  /* the feed may show only the newest version                              */
#endif
#ifndef CACHE_RB
#define CACHE_RB     0  /* failovers of the hidden channel's or the access counter's partition    */
#endif
#ifndef MS
#define MS           8
#endif
#define BIT(s) (1 << (s))
#define NONE 0
#define DEAD 1
#define IN_A   2                /* a document of channel A                                         */
#define GIVES  3                /* the granting document: the user has A from this number on       */
#define TAKES  4                /* ... or no more                                                  */
#define PLAIN  5                /* a revision of it that changes no grant                          */

c_decl { int bound_reached; }
bit over;
byte ctr = 2, stable = 2, st_hist;         /* stable and the cache history it was checked under    */
short in_a = BIT(2), hid;               /* blocks                                               */
byte q[MS];
byte access;                               /* the access counter                                   */
byte c_hist, hid_hist, access_hist;     /* histories                                            */
byte g_seq, g_mark; bit g_gives; short g_rec;   /* the granting document; where its grant changed  */
byte f_seq[6], f_mark[6], flen; bit f_gives[6]; short f_rec[6];
short wrote = BIT(2); short held;
byte fe_crash = FE_CRASH; bit revoked;     /* acknowledged, and nothing granted since              */
bit has_2, has_w; byte w_seq;              /* the client's documents; number of the write under way */
#if CACHE_RB
short s_hidden; byte s_access; bit snapped;
#endif

inline alloc(s) {
  if :: ctr >= MS - 1 -> c_code { if (!bound_reached) printf("BOUND\n"); bound_reached = 1; }; over = 1; false
     :: else fi;
  ctr++; s = ctr
}
inline enter(s) { d_step { f_seq[flen] = s; f_gives[flen] = g_gives; f_mark[flen] = g_mark; f_rec[flen] = g_rec; flen++ } }
#define KEPT(value) (kept_for[node] == (value) && (!R5b_history || kept_hist[node] == st_hist))
#define MAY_DIE if :: fe_crash > 0 -> fe_crash--; goto dead :: true fi
#define STATE(s, mark, g) ((mark) != (s) -> PLAIN : ((g) -> GIVES : TAKES))

proctype Writer() provided (!over) {        /* a write in A */
  byte s;
  atomic { alloc(s); held = held | BIT(s); MAY_DIE };
  atomic { wrote = wrote | BIT(s); w_seq = s; MAY_DIE };
  in_a = in_a | BIT(s);
  atomic { if :: q[s] == NONE -> q[s] = IN_A :: else fi };
dead: atomic { held = held & ~BIT(s); s = 0 }
}

proctype Granter(byte gives) provided (!over) {
  byte s, ep;
  (gives == GIVES || g_seq > 0);
  atomic { ep = c_hist; alloc(s); held = held | BIT(s); MAY_DIE };
  atomic { if :: s < g_seq -> goto dead :: else fi;
           d_step { if :: g_seq -> g_rec = g_rec | BIT(g_seq) :: else fi; g_seq = s;
                    if :: gives != PLAIN -> g_gives = (gives == GIVES); g_mark = s :: else fi };
           enter(s); MAY_DIE };
  if :: gives == PLAIN
     :: else ->
          if :: R5b -> atomic { if :: hid_hist <= ep -> hid = hid | BIT(s) :: else -> goto dead fi; MAY_DIE } :: else fi;
          if :: R5b_counter && R5b_order -> atomic { access++; MAY_DIE } :: else fi fi;
  atomic { if :: q[s] == NONE -> q[s] = gives :: else -> goto dead fi; MAY_DIE };
  if :: gives != PLAIN && R5b_counter && !R5b_order -> atomic { access++; MAY_DIE } :: else fi;
  atomic { if :: gives == TAKES -> revoked = 1 :: else fi };      /* acknowledged */
dead: atomic { held = held & ~BIT(s); s = 0; ep = 0 }
}

#define TOLD(m) ((q[m] == GIVES || q[m] == TAKES) && (!my_c || (hid & BIT(m))))
inline reseq(only) {
  if :: atomic { g_seq == only -> alloc(n); d_step { g_rec = g_rec | BIT(g_seq);
                          if :: g_mark == g_seq || !TOLD(g_mark) -> g_mark = n :: else fi; g_seq = n };
                 enter(n); n = 0 }
     :: else fi
}

proctype CacheWriter() provided (!over) {
  byte pos, mine = 2 + GIVEN, my_c, s, n, m, k; short acc = BIT(1) | BIT(2), rec; bit gives, ok, repair;
  do
  :: d_step { my_c != c_hist -> my_c = c_hist; pos = 0 }
  :: atomic { SKIP && pos + 1 < flen -> pos++ }
  :: atomic { pos < flen && my_c == c_hist ->
       d_step { s = f_seq[pos]; gives = f_gives[pos]; m = f_mark[pos]; rec = f_rec[pos]; pos++;
         acc = acc | rec; k = 1;
         do :: k < MS -> if :: (rec & BIT(k)) && q[k] == NONE -> q[k] = DEAD :: else fi; k++ :: else -> break od; k = 0; rec = 0 };
       if :: q[s] == NONE && s > mine -> repair = 1
          :: q[s] == NONE && s <= mine -> q[s] = DEAD; ok = 1
          :: q[s] == DEAD -> ok = 1
          :: q[s] > DEAD -> ok = 0; ok = (R5b && my_c && m == s && !(hid & BIT(s)))
       fi;
       if :: R7_grant && m != s && !TOLD(m) -> ok = 1 :: else fi };
     if :: ok -> ok = 0; if :: q[s] == NONE -> q[s] = DEAD :: else fi; reseq(s)
        :: !ok && !repair -> skip
        :: else -> if :: atomic { R5b && m == s && hid_hist <= my_c -> hid = hid | BIT(s) } :: else fi;
                   if :: R5b_counter && R5b_order && m == s -> access++ :: else fi;
                   atomic { if :: q[s] == NONE && hid_hist <= my_c -> q[s] = STATE(s, m, gives) :: else fi;
                            ok = (q[s] == DEAD) };
                   if :: ok -> ok = 0; reseq(s) :: else fi fi;
     d_step { acc = acc | BIT(s); s = 0; m = 0; gives = 0; repair = 0 }
  :: atomic { w_seq && !(acc & BIT(w_seq)) ->                     /* the other write on the feed */
       s = w_seq; if :: q[s] == DEAD -> wrote = wrote & ~BIT(s); acc = acc | BIT(s); s = 0 :: else fi };
     if :: s -> in_a = in_a | BIT(s); atomic { if :: q[s] == NONE -> q[s] = IN_A :: else fi;
                  acc = acc | BIT(s); s = 0 }
        :: else fi
  :: atomic { pos >= flen && mine < MS - 1 && (acc & BIT(mine + 1)) && my_c == c_hist && mine < ctr ->
       mine++; stable = mine }
  :: atomic { pos >= flen && st_hist != my_c && my_c == c_hist -> st_hist = my_c }  /* walked */
  :: atomic { pos >= flen && mine < ctr && !(acc & BIT(mine + 1)) && !(held & BIT(mine + 1)) && w_seq != mine + 1 ->
       s = mine + 1; if :: q[s] == NONE -> q[s] = DEAD; acc = acc | BIT(s) :: else -> acc = acc | BIT(s) fi; s = 0 }
  od
}

/* The user's feed; since = (safe, high). Rights: from which number the user has A, 0: it has not. */
proctype Feed() provided (!over) {
  byte st, ep, a, right, k, safe = 2, high = 2, from, last_st = 2, last_w;
  byte kept_for[2] = 255, kept[2], kept_hist[2]; bit node, cut, wait, owed;
  short h; byte other = OTHER;
  do
  :: d_step { other > 0 && high < ctr -> other--; high = ctr }
  :: (!KEPT(access) || stable != last_st || wait || (in_a & ~last_w)) ->
       atomic { owed = revoked; st = stable; ep = st_hist; a = access;           /* the pass begins */
         cut = (R15e && (access_hist > ep)); last_st = st; last_w = in_a;
         if :: NODES > 1 -> node = 1 - node :: true fi };
       if
       :: kept_for[node] == a && (!R5b_history || kept_hist[node] == ep) -> right = kept[node]
       :: else ->
            d_step { h = hid; cut = cut || (R15e && hid_hist > ep) };
            d_step { k = 3; right = 0; wait = 0;
              do :: k < MS ->
                   if :: (h & BIT(k)) && q[k] == GIVES -> right = k
                      :: (h & BIT(k)) && q[k] == TAKES -> right = 0
                      :: (h & BIT(k)) && q[k] == NONE -> if :: k <= st -> cut = 1 :: else -> wait = 1 fi
                      :: else fi;
                   k++
                 :: else -> break od;
              if :: !cut && !(R5b_awaited && wait) -> kept_for[node] = (R15p -> a : access); kept[node] = right; kept_hist[node] = ep :: else fi }
       fi;
       h = in_a;
       d_step {
         wait = (wait && R5b_awaited);
         if
         :: cut -> wait = 1
         :: else ->
              assert(!(owed && right));                                          /* I7 */
              if :: right > st -> from = MS; wait = (stable != st)
                 :: right <= st && right > (R15s -> safe : high) -> from = 0
                 :: else -> from = safe fi;
              if :: right && from < 2 -> has_2 = 1 :: else fi;
              k = from + 1;
              do :: right && k < MS -> if :: (h & BIT(k)) && q[k] == IN_A ->
                                              if :: k > 2 -> has_w = 1 :: else fi;
                                              if :: k > high -> high = k :: else fi
                                         :: else fi; k++
                 :: else -> break od;
              if :: high < right && right <= st -> high = right :: else fi;
              if :: safe < st -> safe = st :: else fi;
              if :: high < safe -> high = safe :: else fi
         fi;
         st = 0; ep = 0; a = 0; right = 0; k = 0; from = 0; h = 0; cut = 0; owed = 0 }
  od
}

#if CACHE_RB
proctype Adversary() provided (!over) {
  byte cache = CACHE_RB;
  do
  :: d_step { cache > 0 && !snapped -> snapped = 1; s_hidden = hid; s_access = access }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; hid_hist = c_hist; hid = s_hidden }
  :: d_step { cache > 0 && snapped -> cache--; c_hist++; access_hist = c_hist; access = s_access }
  :: break
  od
}
#endif

proctype Judge() {
  timeout && !over ->
  assert(stable >= g_seq);
  assert(!(g_gives && g_seq) || has_2);                                          /* I1: backfill */
  assert(!(g_gives && g_seq) || !w_seq || q[w_seq] != IN_A || has_w)
}

init { atomic {
  q[2] = IN_A;
  if :: GIVEN -> d_step { ctr = 3; stable = 3; q[3] = GIVES; hid = BIT(3); access = 1; g_gives = 1; g_mark = 3; g_seq = 3 };
                 enter(3)
     :: else -> run Granter(GIVES) fi;
  if :: REVOKE -> run Granter(TAKES) :: else fi; if :: PLAINS -> run Granter(PLAIN) :: else fi; if :: WRITE -> run Writer() :: else fi;
  run CacheWriter(); run Feed();
#if CACHE_RB
  run Adversary();
#endif
  run Judge() } }
