async def test_all(settings, database, insurer): 
    print(settings); print(await insurer.rows("select count(*) from policies"))
