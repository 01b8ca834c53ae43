"""A card on images before anybody trains on them: what they are, how varied and faithful, whether copies, whom they show. One page without a network."""
