from histojax.errors import nearest


def test_the_nearest_word_is_named_where_one_is_near():
  assert nearest("sE", ["none", "se"]) == "did you mean 'se'? (known: none, se)"
  assert nearest("xyz", ["none", "se"]) == "known: none, se"
