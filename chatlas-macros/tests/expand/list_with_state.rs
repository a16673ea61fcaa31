tools![with app => query, ..counter, ..notes]
