"""Synthetic dialogues for plm-tiny. All text is made from the tables in this package, so that neither the corpus nor a model
trained on it carries anybody else's licence.

split      what training never sees
words      names, heroes, things and places
plots      what happens in stories
stories    stories that hold what was asked of them, and questions about them
facts, talk                    tables of questions and replies
arithmetic, lists, memory      sums with a visible method; lists and JSON; what was told earlier
dialogues  all of it in turn, as people type
questions  what evaluation asks: nothing of it is ever in a dialogue
"""
